"""The formats of exports, each with its writer and its reader."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gru_suite.errors import UserError, nearest
from gru_suite.files import atomic_path
from gru_suite.model.checkpoint import load, read_checkpoint
from gru_suite.model.export.description import describe, write_description
from gru_suite.model.export.errors import ExportError
from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.onnx.file import open_onnx, require_onnx, write_onnx
from gru_suite.model.export.parity import Check, Runner, require_equal
from gru_suite.model.export.stream import StreamExport, require_equal_stream
from gru_suite.model.export.torch_export import open_program, write_program
from gru_suite.model.safetensors_file import SUFFIX, write_weights
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.options import check_flag


class Format(NamedTuple):
    """Writer and reader of a format.

    Attributes:
        suffix: of its files.
        write: writes a module to a file.
        open: returns a function that runs the file.
    """

    suffix: str
    write: Callable[[ExportModule, Path], None]
    open: Callable[[Path], Runner]


GRAPHS = {
    "onnx": Format(".onnx", write_onnx, open_onnx),
    "torch_export": Format(".pt2", write_program, open_program),
}
WEIGHTS = "safetensors"
FORMATS = (*GRAPHS, WEIGHTS)


class Written(NamedTuple):
    """The files of an export.

    Attributes:
        path: the model.
        description: the JSON beside it.
        check: result of the comparison with the model.
        notes: further lines to print.
    """

    path: Path
    description: Path
    check: Check
    notes: Sequence[str] = ()


def check_request(name: str, output: str | None, streaming: bool, int8: bool) -> str:
    """Check a request before anything is loaded; return the suffix of the file.

    Raises:
        UserError: an unknown format, an option that it does not have, or a wrong suffix.
    """
    if name not in FORMATS:
        raise UserError(f"format={name}: no such format{nearest(str(name), FORMATS)}")
    for option, given in (("streaming", streaming), ("int8", int8)):
        check_flag(option, given)
        if given and name != "onnx":
            raise UserError(f"{option}=true is for format=onnx; format={name} has no such variant")
    if streaming and int8:
        raise UserError("streaming=true with int8=true: choose one of them")
    suffixes = {key: each.suffix for key, each in GRAPHS.items()} | {WEIGHTS: SUFFIX}
    if output and Path(output).suffix != suffixes[name]:
        # Readers of these formats rely on the suffix.
        raise UserError(f"output={output}: a file of format={name} ends in {suffixes[name]}")
    if name == "onnx":
        require_onnx()
    return suffixes[name]


def export_graph(module: ExportModule, target: Path, name: str, facts: dict[str, Any]) -> Written:
    """Write a module and its companions, compare them with the model, and describe them.

    Args:
        module: of the model.
        target: the file; an existing one stays if anything fails.
        name: in ``GRAPHS``.
        facts: further entries of the description.

    Raises:
        ExportError: it cannot be written, or differs from the model.
    """
    notes = [
        f"written: {export_graph(other, companion_path(target, part), name, facts).path}"
        for part, other in module.companions().items()
    ]
    chosen = GRAPHS[name]
    with atomic_path(target) as temporary:
        chosen.write(module, temporary)
        run = chosen.open(temporary)
        if isinstance(module, StreamExport):
            check = require_equal_stream(module, run)
        else:
            check = require_equal(module, run)
        facts = {"format": name, "streaming": isinstance(module, StreamExport), **facts}
        description = write_description(target, describe(module.model, module, check, facts))
    return Written(target, description, check, notes)


def companion_path(target: Path, part: str) -> Path:
    """Return the file of a companion of a model (:meth:`ExportModule.companions`)."""
    return target.with_name(f"{target.stem}_{part}{target.suffix}")


def export_weights(checkpoint: Path, target: Path, facts: dict[str, Any]) -> Written:
    """Write a checkpoint's weights as safetensors, load them again, and describe the file.

    Raises:
        ExportError: loading does not give the same model.
    """
    model = load(checkpoint)
    with atomic_path(target) as temporary:
        write_weights(read_checkpoint(checkpoint), temporary)
        _require_same(model, temporary)
        check = Check(0.0, [])
        facts = {"format": WEIGHTS, "load": f'gru_suite.load("{target.name}")', **facts}
        description = write_description(target, describe(model, None, check, facts))
    return Written(target, description, check)


def _require_same(model: SequenceModel, path: Path) -> None:
    """Raise ExportError unless the file restores the model bit for bit."""
    again = load(path)
    ours, theirs = model.state_dict(), again.state_dict()
    equal = ours.keys() == theirs.keys() and all(
        torch.equal(part.nan_to_num(), theirs[name].nan_to_num()) for name, part in ours.items()
    )
    if not equal or model.options != again.options:
        raise ExportError(f"{path.name} does not give the checkpoint back; nothing was written")
