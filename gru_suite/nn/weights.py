"""The weights of a backbone, in and out: checkpoints, safetensors, plain torch modules.

Shapes: H hidden_size, F input features of a layer.
"""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.table import CELLS

BACKBONE_FORMAT = 1
"""The version of the metadata beside the weights in a safetensors file."""
TRAINING_KEYS = ("init_from", "freeze_epochs")
"""Options of the group ``backbone`` that are about its training, not its shape."""

_PREFIX = "backbone."


def load_backbone(path: str | Path) -> RecurrentBackbone:
    """Load the recurrent stack alone, as a plain module in evaluation mode.

    The task's own code is not needed, so the checkpoint may be of a plug-in that is not installed.

    Args:
        path: a checkpoint of any task, or a file written by :func:`save_backbone`.

    Raises:
        UserError: the file is not there, damaged, or of another kind.
    """
    if Path(path).suffix == ".safetensors":
        return _read_safetensors(Path(path))
    options, state = backbone_of(path)
    return _build(f"checkpoint {path}", options, state)


def backbone_of(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the options of a checkpoint's backbone, ``input_size`` included, and its weights."""
    from gru_suite.model.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path)
    whole = checkpoint["state_dict"]
    state = {k.removeprefix(_PREFIX): v for k, v in whole.items() if k.startswith(_PREFIX)}
    options = dict(checkpoint["hyper_parameters"].get("backbone") or {})
    first = state.get("rnn.weight_ih_l0")
    if first is None:
        raise UserError(f"checkpoint {path}: holds no recurrent backbone (backbone.rnn.*)")
    for key in TRAINING_KEYS:
        options.pop(key, None)
    return {**options, "input_size": int(first.shape[-1])}, state


def save_backbone(backbone: RecurrentBackbone, path: str | Path) -> Path:
    """Write the weights as safetensors, with what is needed to build the module again.

    The tensors have the names of ``torch.nn.GRU`` / ``LSTM`` / ``RNN``. The metadata, under the key
    ``gru_suite``, is JSON: ``format`` and the options of :class:`RecurrentBackbone`.

    Args:
        backbone: what is written.
        path: a file name that ends in ``.safetensors``.

    Raises:
        UserError: another ending.
    """
    from safetensors.torch import save_file

    target = Path(path)
    if target.suffix != ".safetensors":
        raise UserError(f"{path}: a backbone is written as safetensors; end the name so")
    facts = {"format": BACKBONE_FORMAT, **backbone_options(backbone)}
    state = {name: value.detach().cpu().contiguous() for name, value in _named(backbone).items()}
    with atomic_path(target) as temporary:
        save_file(state, temporary, {"gru_suite": json.dumps(facts), "format": "pt"})
    return target


def backbone_options(backbone: RecurrentBackbone) -> dict[str, Any]:
    """Return the arguments that build a backbone of the same shape, as plain data."""
    cell = next(name for name, each in CELLS.items() if each is backbone._cell)
    variants = CELLS[cell].variants
    rnn = backbone.rnn
    return {
        "cell": cell,
        "activation": next(name for name, each in variants.items() if each is backbone._variant),
        "input_size": backbone.input_size,
        "hidden_size": rnn.hidden_size,
        "num_layers": rnn.num_layers,
        "bidirectional": bool(rnn.bidirectional),
        "dropout": float(rnn.dropout),
    }


def to_torch(backbone: RecurrentBackbone) -> nn.RNNBase:
    """Return ``torch.nn.GRU``, ``LSTM`` or ``RNN`` with a copy of the weights.

    Raises:
        UserError: torch has no such recurrence.
    """
    found = backbone_options(backbone)
    if not backbone._variant.native or type(backbone.rnn) not in (nn.GRU, nn.LSTM, nn.RNN):
        raise UserError(
            f"backbone.cell={found['cell']} with backbone.activation={found['activation']} has no "
            "equal in torch.nn; use the backbone itself, which is an nn.Module too"
        )
    plain: nn.RNNBase = copy.deepcopy(backbone.rnn)
    plain.flatten_parameters()
    return plain


def from_torch(rnn: nn.RNNBase) -> RecurrentBackbone:
    """Return a backbone with a copy of the weights of ``torch.nn.GRU``, ``LSTM`` or ``RNN``.

    The backbone is batch-first whatever ``rnn`` is. Missing biases become zeros.

    Raises:
        UserError: another module, or one with a projection.
    """
    cells = {nn.GRU: "gru", nn.LSTM: "lstm", nn.RNN: "rnn"}
    if type(rnn) not in cells:
        raise UserError(f"{type(rnn).__name__}: needs a torch.nn.GRU, LSTM or RNN")
    if rnn.proj_size:
        raise UserError(f"torch.nn.LSTM with proj_size={rnn.proj_size}: no backbone has that")
    backbone = RecurrentBackbone(
        rnn.input_size,
        cells[type(rnn)],
        rnn.hidden_size,
        rnn.num_layers,
        bool(rnn.bidirectional),
        # Below a last layer torch takes a dropout and ignores it.
        rnn.dropout if rnn.num_layers > 1 else 0.0,
        getattr(rnn, "nonlinearity", "tanh"),
    )
    backbone.to(next(rnn.parameters()))
    zeros = {name: torch.zeros_like(value) for name, value in backbone.rnn.state_dict().items()}
    backbone.rnn.load_state_dict({**zeros, **rnn.state_dict()})
    return backbone.train(rnn.training)


def _named(backbone: RecurrentBackbone) -> dict[str, Tensor]:
    state: dict[str, Tensor] = backbone.rnn.state_dict()
    return state


def _read_safetensors(path: Path) -> RecurrentBackbone:
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
    return _build(str(path), options, state)


def _build(source: str, options: dict[str, Any], state: dict[str, Tensor]) -> RecurrentBackbone:
    try:
        backbone = RecurrentBackbone(**options)
        backbone.load_state_dict(state)
    except (TypeError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{source}: its backbone does not fit this version ({reason})") from error
    return backbone.eval()
