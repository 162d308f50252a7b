"""A whole checkpoint as safetensors: weights, and what builds the task around them as metadata."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gru_suite.errors import UserError
from gru_suite.model.export.errors import ExportError

if TYPE_CHECKING:
    from gru_suite.training.sequence_task import SequenceTask

SUFFIX = ".safetensors"
_KEY = "gru_suite"


def write_weights(task: "SequenceTask", path: Path) -> None:
    """Write every weight of a task, and as metadata its class, hyper-parameters and run.

    Raises:
        ExportError: a hyper-parameter is something that JSON has no word for.
    """
    from safetensors.torch import save

    content: dict[str, Any] = {"hyper_parameters": dict(task.hparams)}
    task.on_save_checkpoint(content)
    try:
        text = json.dumps(content)
    except TypeError as error:
        raise ExportError(
            f"task {task.name}: a hyper-parameter is no plain data ({error})"
        ) from None
    if json.loads(text) != content:
        raise ExportError(f"task {task.name}: JSON would change a hyper-parameter")
    # Weights that share memory are refused by the format.
    tensors = {name: part.detach().cpu().clone() for name, part in task.state_dict().items()}
    metadata = {"format": "pt", _KEY: text}
    # Not save_file: it gives the file to its owner alone.
    path.write_bytes(save({k: v.contiguous() for k, v in tensors.items()}, metadata))


def read_weights(path: Path) -> dict[str, Any]:
    """Return what a checkpoint of the same task would hold.

    Raises:
        UserError: it is no whole safetensors file, or none of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(_KEY, "{}")
            # safe_open is no mapping: it has to be asked for its keys.
            state = {name: opened.get_tensor(name) for name in opened.keys()}
        content: dict[str, Any] = json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"checkpoint {path}: not a complete safetensors file of GRU Suite ({error})"
        ) from error
    if "hyper_parameters" not in content:
        raise UserError(
            f"checkpoint {path}: holds weights alone (it names no task); "
            "gru-suite export format=safetensors writes whole checkpoints"
        )
    return {**content, "state_dict": state}


def require_same(task: "SequenceTask", path: Path) -> None:
    """Refuse a file that does not give the task back, bit for bit.

    Raises:
        ExportError: it does not.
    """
    from gru_suite.model.checkpoint import load

    again = load(path)
    ours, theirs = task.state_dict(), again.state_dict()
    equal = ours.keys() == theirs.keys() and all(
        torch.equal(part.cpu().nan_to_num(), theirs[name].nan_to_num())
        for name, part in ours.items()
    )
    if not equal or dict(task.hparams) != dict(again.hparams):
        raise ExportError(f"{path.name} does not give the checkpoint back; nothing was written")
