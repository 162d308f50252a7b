"""Backbones as safetensors files."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.nn.backbone import RecurrentBackbone

BACKBONE_FORMAT = 1
"""The version of the metadata beside the weights."""


def save_backbone(backbone: RecurrentBackbone, path: str | Path) -> Path:
    """Write a backbone as safetensors: weights, with its options as metadata.

    The tensors have the names of ``torch.nn.GRU`` / ``LSTM`` / ``RNN``. The metadata, under the key
    ``gru_suite``, is JSON: ``format`` and the options of :class:`RecurrentBackbone`.

    Args:
        backbone: the backbone.
        path: a path that ends in ``.safetensors``.

    Raises:
        UserError: another suffix.
    """
    from safetensors.torch import save_file

    target = Path(path)
    if target.suffix != ".safetensors":
        raise UserError(f"{path}: a backbone is written as safetensors; end the name so")
    facts = {"format": BACKBONE_FORMAT, **backbone.options}
    state = {
        name: value.detach().cpu().contiguous() for name, value in backbone.rnn.state_dict().items()
    }
    with atomic_path(target) as temporary:
        save_file(state, temporary, {"gru_suite": json.dumps(facts), "format": "pt"})
    return target


def read_backbone(path: Path) -> RecurrentBackbone:
    """Return the backbone in a file of :func:`save_backbone`, in evaluation mode.

    Raises:
        UserError: the file is not there, damaged, of another kind or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("gru_suite", "null"))
            state = {f"rnn.{name}": file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError, OSError) as error:
        raise UserError(f"{path}: not a complete safetensors file ({error})") from error
    if not isinstance(facts, dict) or not {"format", "cell", "input_size"} <= facts.keys():
        raise UserError(f"{path}: not written by save_backbone (no metadata 'gru_suite')")
    options = dict(facts)
    found = options.pop("format")
    if found > BACKBONE_FORMAT:
        raise UserError(
            f"{path}: has format {found}, this version reads up to {BACKBONE_FORMAT}; "
            "pip install --upgrade gru-suite"
        )
    return build_backbone(str(path), options, state)


def build_backbone(
    source: str, options: dict[str, Any], state: dict[str, Tensor]
) -> RecurrentBackbone:
    """Return a backbone of these options and weights, in evaluation mode.

    Args:
        source: of the weights, for the error message.
        options: arguments of :class:`RecurrentBackbone`.
        state: its ``state_dict``.

    Raises:
        UserError: they do not fit each other.
    """
    try:
        backbone = RecurrentBackbone(**options)
        backbone.load_state_dict(state)
    except (TypeError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{source}: its backbone does not fit this version ({reason})") from error
    return backbone.eval()
