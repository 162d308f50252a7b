"""Loading of checkpoints: safely, without config, data or Hydra."""

import importlib
import inspect
import pickle
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gru_suite.errors import UserError
from gru_suite.model.safetensors_file import SUFFIX, read_weights
from gru_suite.model.sequence_model import TRAINING_KEYS, SequenceModel
from gru_suite.model.tables import unpack_tables
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.weights import build_backbone, read_backbone
from gru_suite.plugins import distribution_of, entry_of, unmet_requirement

CHECKPOINT_FORMAT = 1
"""The version of the entry ``gru_suite`` beside what Lightning writes (:func:`describe_model`).

It rises only when older versions of the package could not read the result rightly; what is merely
added leaves it, and is ignored by them.
"""


_BACKBONE = "backbone."
_READING = threading.Lock()
# torch.save writes zip archives; before torch 1.6 it wrote pickles.
_ARCHIVE_BEGIN, _PICKLE_BEGIN = b"PK\x03\x04", b"\x80"


def load(path: str | Path, device: str | torch.device = "cpu", int8: bool = False) -> SequenceModel:
    """Load a model from a checkpoint, ready to predict.

    Args:
        path: a ``.ckpt`` file written by a run, or a ``.safetensors`` file of ``gru-suite export``.
        device: where the parameters go.
        int8: compute with recurrent weights of eight bits on the CPU, as
            :meth:`SequenceModel.quantize` does.

    Returns:
        The model, in evaluation mode.

    Raises:
        UserError: where the file is missing, truncated, holds anything but plain data and tensors,
            was not made by GRU Suite, or needs a newer version or a plug-in that is not installed.
    """
    checkpoint = read_checkpoint(path)
    mark = checkpoint["gru_suite"]
    model_class = _model_class(mark, path)
    options = checkpoint["hyper_parameters"]
    known = inspect.signature(model_class).parameters
    with fitting(path, model_class):
        # The others are options of the training.
        model = model_class(**{key: options[key] for key in options if key in known})
        model.load_state_dict(checkpoint["state_dict"])
    model.run_info = dict(mark.get("run", {}))
    model.fitted = dict(mark.get("fitted", {}))
    model = model.to(device).eval()
    return model.quantize() if int8 else model


@contextmanager
def fitting(path: str | Path, kind: type) -> Iterator[None]:
    """Explain why options and weights of a checkpoint do not fit a class.

    Raises:
        UserError: they do not.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # Options of a damaged file raise anything.
        raise UserError(
            f"checkpoint {path}: does not fit this version of {kind.__name__} "
            f"({_first_line(error)}); it was made by another one"
        ) from error


def load_backbone(path: str | Path) -> RecurrentBackbone:
    """Load the recurrent stack alone, as a plain module in evaluation mode.

    The task's own code is not needed, so the checkpoint may be of a plug-in that is not installed.

    Args:
        path: a checkpoint of any task, or a file written by :func:`gru_suite.save_backbone`.

    Raises:
        UserError: the file is not there, damaged, or of another kind.
    """
    if Path(path).suffix == SUFFIX:
        return read_backbone(Path(path))
    options, state = backbone_of(path)
    return build_backbone(f"checkpoint {path}", options, state)


def backbone_of(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the options of a checkpoint's backbone, ``input_size`` included, and its weights."""
    checkpoint = read_checkpoint(path)
    whole = checkpoint["state_dict"]
    state = {k.removeprefix(_BACKBONE): v for k, v in whole.items() if k.startswith(_BACKBONE)}
    options = dict(checkpoint["hyper_parameters"].get("backbone") or {})
    first = state.get("rnn.weight_ih_l0")
    if first is None:
        raise UserError(f"checkpoint {path}: holds no recurrent backbone (backbone.rnn.*)")
    for key in TRAINING_KEYS:
        options.pop(key, None)
    return {**options, "input_size": int(first.shape[-1])}, state


def describe_model(model: SequenceModel) -> dict[str, Any]:
    """Return the entry ``gru_suite`` of a checkpoint: how to load it and what it is, plain data."""
    kind = type(model)
    return {
        "format": CHECKPOINT_FORMAT,
        "model_class": f"{kind.__module__}:{kind.__qualname__}",
        "distribution": distribution_of(kind.__module__),
        # Readable without the task's package.
        "task": {
            "name": model.name,
            "num_parameters": model.num_parameters,
            "limits": model.limits(),
            "usage": model.usage(),
        },
        "run": model.run_info,
        "fitted": model.fitted,
    }


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint, read with torch's safe loading and checked."""
    path = Path(path)
    if path.is_dir():
        best = path / "checkpoints" / "best.ckpt"
        hint = f"; did you mean {best}?" if best.is_file() else ""
        raise UserError(f"checkpoint {path}: is a folder, a file is needed{hint}")
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f"; there is {', '.join(near[:3])}" if near else ""
        if not path.parent.is_dir():
            hint = f"; there is no folder {path.parent}"
        raise UserError(f"checkpoint {path}: no such file{hint}")
    if path.suffix == SUFFIX:
        return _checked(read_weights(path), path)
    with path.open("rb") as file:
        begin = file.read(len(_ARCHIVE_BEGIN))
    if not _ARCHIVE_BEGIN.startswith(begin) and not begin.startswith(_PICKLE_BEGIN):
        raise UserError(
            f"checkpoint {path}: no checkpoint file (it begins with {begin!r}, a checkpoint with "
            f"{_ARCHIVE_BEGIN!r})"
        )
    try:
        # Warning filters are global: concurrent changes by threads would leave them changed.
        with _READING, warnings.catch_warnings():
            # A pickle of another program warns about its protocol before it is refused.
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"checkpoint {path}: refused, because it holds more than tensors and plain data, or is "
            f"no checkpoint at all ({_what_was_found(error)}); loading it could run foreign code"
        ) from error
    except Exception as error:
        # Bytes that are not a pickle raise any exception.
        raise UserError(
            f"checkpoint {path}: not a complete checkpoint file ({_first_line(error)}); it may "
            "have been cut off while it was written or copied"
        ) from error
    return _checked(checkpoint, path)


def _checked(checkpoint: Any, path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint of GRU Suite in a format that this version reads."""
    mark = checkpoint.get("gru_suite") if isinstance(checkpoint, dict) else None
    if not isinstance(mark, dict) or not {"model_class", "task_class"} & mark.keys():
        raise UserError(f"checkpoint {path}: not made by GRU Suite (it names no task)")
    # A number such as 1.2: the integer part says whether it can be read.
    found = mark.get("format")
    if not isinstance(found, int | float) or found < 1:
        raise UserError(f"checkpoint {path}: format {found!r} is none of GRU Suite")
    if int(found) > CHECKPOINT_FORMAT:
        raise UserError(
            f"checkpoint {path}: has format {found}, this version reads up to "
            f"{CHECKPOINT_FORMAT}; pip install --upgrade gru-suite"
        )
    for key in ("hyper_parameters", "state_dict"):
        if not isinstance(checkpoint.get(key), dict):
            raise UserError(f"checkpoint {path}: has no {key!r}; it was changed or is not whole")
    try:
        unpack_tables(checkpoint)
    except Exception as error:
        # Tables of a damaged file raise anything.
        raise UserError(f"checkpoint {path}: its tables are damaged ({error})") from error
    content: dict[str, Any] = checkpoint
    return content


def _model_class(mark: Mapping[str, Any], path: str | Path) -> type[SequenceModel]:
    reference = mark.get("model_class")
    if reference is None:
        # Older checkpoints name the task only; its model is in the module `model` beside it.
        module_name, _, class_name = str(mark["task_class"]).partition(":")
        if not (module_name.startswith("gru_suite.tasks.") and class_name.endswith("Task")):
            task_class = find_class(mark, str(mark["task_class"]), path, nn.Module)
            model_class = getattr(task_class, "model_class", None)
            if isinstance(model_class, type) and issubclass(model_class, SequenceModel):
                return model_class
            raise UserError(f"checkpoint {path}: {mark['task_class']} is not a task with a model")
        reference = f"{module_name.rpartition('.')[0]}.model:{class_name.removesuffix('Task')}Model"
    return find_class(mark, str(reference), path, SequenceModel)


def find_class(mark: Mapping[str, Any], reference: str, path: str | Path, base: type) -> type[Any]:
    """Import a class that a checkpoint names, of GRU Suite or of an installed plug-in.

    Args:
        mark: the entry ``gru_suite`` of the checkpoint.
        reference: ``module:class``.
        path: the checkpoint, for messages.
        base: what the class has to derive from.

    Raises:
        UserError: there is no such class, or its package is not installed as a plug-in.
    """
    module_name, _, class_name = reference.partition(":")
    package = module_name.partition(".")[0]
    # A file must not choose which module is imported: only installed task packages are.
    if package != "gru_suite":
        _check_plugin(mark, package, module_name, path)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"checkpoint {path}: its task {reference} is not there: {error}") from error
    except Exception as error:
        raise UserError(
            f"checkpoint {path}: the task package {package!r} fails on import: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"checkpoint {path}: {reference} is not a task")
    return found


def _check_plugin(mark: Mapping[str, Any], package: str, module: str, path: str | Path) -> None:
    """Raise UserError for a task package that is absent, incompatible or older than the file."""
    entry, made_by = entry_of(module), mark.get("distribution") or {}
    if entry is None:
        # No command to install it: the name in a file is not to be trusted.
        origin = f" (by the file it is of {made_by['name']} {made_by['version']})"
        raise UserError(
            f"checkpoint {path}: made by the task package {package!r}, which is not installed as "
            f"a GRU Suite plug-in{origin if made_by else ''}"
        )
    reason = unmet_requirement(entry)
    if reason is not None:
        raise UserError(f"checkpoint {path}: {reason}")
    here = distribution_of(module)
    if made_by and here and is_newer(made_by["version"], here["version"]):
        raise UserError(
            f"checkpoint {path}: made by {made_by['name']} {made_by['version']}, and "
            f"{here['version']} is installed, which is too old for it; run: pip install --upgrade "
            f"'{made_by['name']}>={made_by['version']}'"
        )


def is_newer(version: str, than: str) -> bool:
    """Return whether a version is newer than another; an invalid version never is."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return False


def _what_was_found(error: Exception) -> str:
    """Return the line of torch's message that names the refused object."""
    lines = [line.strip() for line in str(error).splitlines()]
    found = [line for line in lines if line.startswith(("Trying to load", "Unsupported"))]
    return found[0].rstrip(".") if found else _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
