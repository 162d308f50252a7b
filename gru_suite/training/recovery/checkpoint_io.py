"""Checkpoint files that are written whole or not at all."""

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.checkpoint import read_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written to a temporary name, flushed to disk, then renamed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            UserError: the disk is full, or the folder cannot be written to; the file that was there
                is unchanged.
        """
        save_whole(checkpoint, path)


def save_whole(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a file of torch by a temporary name; when it has its name, it is whole on the disk.

    Raises:
        UserError: as :meth:`AtomicCheckpointIO.save_checkpoint`.
    """
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # torch reports a failed write as RuntimeError.
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        free = _free_bytes(Path(path).parent)
        raise UserError(
            f"checkpoint {path}: could not be written ({reason}; {free / 1e6:,.0f} MB are free); "
            "the last one that was written is kept"
        ) from error


def _free_bytes(folder: Path) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def find_resumable(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint of a run's training, and what was wrong with others.

    Args:
        folder: of the checkpoints, with ``last.ckpt`` and ``previous.ckpt``.

    Returns:
        The file, None where there is none; a line for each damaged file.
    """
    notes = []
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            check_whole(path)
        except UserError as error:
            notes.append(str(error))
            continue
        return path, [f"{note}; the one before it is taken" for note in notes]
    return None, [f"{note}; there is none before it" for note in notes]


def check_whole(path: Path) -> None:
    """Raise UserError for a checkpoint whose bytes are not those that were written."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"checkpoint {path}: damaged ({error})") from error
    if damaged is not None:
        raise UserError(f"checkpoint {path}: damaged (checksum of {damaged})")
    read_checkpoint(path)
