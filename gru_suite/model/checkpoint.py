"""Checkpoints that load anywhere: safely, with no config, no data and no Hydra."""

import importlib
import pickle
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from packaging.version import InvalidVersion, Version

from gru_suite.errors import UserError
from gru_suite.plugins import distribution_of, entry_of, unmet_requirement

if TYPE_CHECKING:
    from gru_suite.training.sequence_task import SequenceTask

CHECKPOINT_FORMAT = 1
"""The version of what ``SequenceTask.on_save_checkpoint`` adds to Lightning's checkpoint.

It rises only when older versions of the package could not read the result rightly; what is merely
added leaves it, and is ignored by them.
"""


_READING = threading.Lock()
# torch.save writes zip archives, and wrote pickles once.
_ARCHIVE_BEGIN, _PICKLE_BEGIN = b"PK\x03\x04", b"\x80"


def load(path: str | Path, device: str | torch.device = "cpu") -> "SequenceTask":
    """Load a task from a checkpoint, ready to predict.

    Args:
        path: a ``.ckpt`` file written by a run, or a ``.safetensors`` file of ``gru-suite export``.
        device: where the parameters go.

    Returns:
        The task, in evaluation mode.

    Raises:
        UserError: where the file is missing, truncated, holds anything but plain data and tensors,
            was not made by GRU Suite, or needs a newer version or a plug-in that is not installed.
    """
    checkpoint = read_checkpoint(path)
    task_class = _task_class(checkpoint["gru_suite"], path)
    try:
        task = task_class(**checkpoint["hyper_parameters"])
        task.load_state_dict(checkpoint["state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            f"checkpoint {path}: does not fit this version of {task_class.__name__} "
            f"({_first_line(error)}); it was made by another one"
        ) from error
    task.on_load_checkpoint(checkpoint)
    return task.to(device).eval()


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint's content without executing anything in it, and check that it is ours."""
    path = Path(path)
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f"; there is {', '.join(near[:3])}" if near else ""
        if not path.parent.is_dir():
            hint = f"; there is no folder {path.parent}"
        raise UserError(f"checkpoint {path}: no such file{hint}")
    if path.suffix == ".safetensors":
        from gru_suite.model.safetensors_file import read_weights

        return _checked(read_weights(path), path)
    with path.open("rb") as file:
        begin = file.read(len(_ARCHIVE_BEGIN))
    if not _ARCHIVE_BEGIN.startswith(begin) and not begin.startswith(_PICKLE_BEGIN):
        raise UserError(
            f"checkpoint {path}: no checkpoint file (it begins with {begin!r}, a checkpoint with "
            f"{_ARCHIVE_BEGIN!r})"
        )
    try:
        # Filters of warnings belong to the process: threads that change them at once leave them so.
        with _READING, warnings.catch_warnings():
            # A foreign pickle warns of its protocol before it is refused; the refusal is enough.
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"checkpoint {path}: refused, because it holds more than tensors and plain data, or is "
            f"no checkpoint at all ({_what_was_found(error)}); loading it could run foreign code"
        ) from error
    except Exception as error:
        # Bytes that are no pickle at all make the reader stumble in any way.
        raise UserError(
            f"checkpoint {path}: not a complete checkpoint file ({_first_line(error)}); it may "
            "have been cut off while it was written or copied"
        ) from error
    return _checked(checkpoint, path)


def _checked(checkpoint: Any, path: Path) -> dict[str, Any]:
    """Return a checkpoint's content if it is ours and of a format that this version reads."""
    mark = checkpoint.get("gru_suite") if isinstance(checkpoint, dict) else None
    if not isinstance(mark, dict) or "task_class" not in mark:
        raise UserError(f"checkpoint {path}: not made by GRU Suite (it names no task)")
    # A number such as 1.2: only the whole part says whether it can be read.
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
    content: dict[str, Any] = checkpoint
    return content


def _task_class(mark: Mapping[str, Any], path: str | Path) -> "type[SequenceTask]":
    # Here, because Lightning takes seconds to import, and a backbone alone needs none.
    from gru_suite.training.sequence_task import SequenceTask

    reference: str = mark["task_class"]
    module_name, _, class_name = reference.partition(":")
    package = module_name.partition(".")[0]
    # Only task code that somebody installed as such is imported, never a module a file names.
    if package != "gru_suite":
        _check_plugin(mark, package, module_name, path)
    try:
        task_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"checkpoint {path}: its task {reference} is not there: {error}") from error
    except Exception as error:
        raise UserError(
            f"checkpoint {path}: the task package {package!r} fails on import: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error
    if not (isinstance(task_class, type) and issubclass(task_class, SequenceTask)):
        raise UserError(f"checkpoint {path}: {reference} is not a task")
    return task_class


def _check_plugin(mark: Mapping[str, Any], package: str, module: str, path: str | Path) -> None:
    """Refuse a task package that is not installed, does not fit us, or is too old for the file."""
    entry, made_by = entry_of(module), mark.get("distribution") or {}
    if entry is None:
        # No command to install it: a name in a file is nothing to trust unseen.
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
    """Compare two versions; what is no version in Python's sense is never newer."""
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return False


def _what_was_found(error: Exception) -> str:
    """Return the line of torch's long message that says what stopped it."""
    lines = [line.strip() for line in str(error).splitlines()]
    found = [line for line in lines if line.startswith(("Trying to load", "Unsupported"))]
    return found[0].rstrip(".") if found else _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
