"""Checkpoints as safetensors files: weights, with options and description as metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gru_suite.errors import UserError
from gru_suite.model.export.errors import ExportError

SUFFIX = ".safetensors"
_KEY = "gru_suite"
# Entries of a checkpoint that go into the metadata.
_CONTENT = ("hyper_parameters", "gru_suite")


def write_weights(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write the weights of a checkpoint, and as metadata its options and its description.

    Args:
        checkpoint: as :func:`gru_suite.model.checkpoint.read_checkpoint` gives it.
        path: the file.

    Raises:
        ExportError: an option is something that JSON cannot represent.
    """
    from safetensors.torch import save

    content = {key: checkpoint[key] for key in _CONTENT}
    try:
        text = json.dumps(content)
    except TypeError as error:
        raise ExportError(f"a hyper-parameter is no plain data ({error})") from None
    if json.loads(text) != content:
        raise ExportError("JSON would change a hyper-parameter")
    # The format refuses tensors that share memory.
    tensors = {name: part.detach().cpu().clone() for name, part in checkpoint["state_dict"].items()}
    metadata = {"format": "pt", _KEY: text}
    # Not save_file, which makes the file readable by its owner only.
    path.write_bytes(save({k: v.contiguous() for k, v in tensors.items()}, metadata))


def read_weights(path: Path) -> dict[str, Any]:
    """Return the content of a file of :func:`write_weights`: weights, options, description.

    Raises:
        UserError: the file is incomplete or was not written by GRU Suite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(_KEY, "{}")
            # safe_open is not iterable.
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
