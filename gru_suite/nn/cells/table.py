"""The table of cells, and the check of a backbone's options."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from gru_suite.errors import UserError
from gru_suite.nn.cells.layers import Layer, gru_layer, lstm_layer, rnn_relu_layer, rnn_tanh_layer
from gru_suite.nn.cells.min_gru import MinGRU, min_gru_layer
from gru_suite.nn.cells.relu_gru import relu_gru_layer
from gru_suite.options import check_flag


@dataclass(frozen=True)
class Variant:
    """A cell with one activation: the module of its weights, and the recurrence of a layer."""

    module: Callable[..., Any]
    """A ``torch.nn`` recurrence, or one with its attributes: ``all_weights``, ``num_layers`` ..."""
    layer: Layer
    native: bool = True
    """Whether calling the module itself computes the recurrence."""
    kernel_cell: str | None = None
    """Its name in ``NATIVE_CELLS``, for the calls that ``kernel_serves``."""


@dataclass(frozen=True)
class Cell:
    """A recurrence and its properties."""

    num_states: int
    variants: dict[str, Variant]
    forget_gate: int | None = None
    """Place of the forget gate among the gates."""


CELLS: dict[str, Cell] = {
    "gru": Cell(
        num_states=1,
        variants={
            "tanh": Variant(nn.GRU, gru_layer, kernel_cell="gru"),
            "relu": Variant(nn.GRU, relu_gru_layer, native=False, kernel_cell="gru_relu"),
        },
    ),
    "lstm": Cell(
        num_states=2,
        variants={"tanh": Variant(nn.LSTM, lstm_layer, kernel_cell="lstm")},
        forget_gate=1,
    ),
    "rnn": Cell(
        num_states=1,
        variants={
            "tanh": Variant(nn.RNN, rnn_tanh_layer, kernel_cell="rnn"),
            "relu": Variant(
                partial(nn.RNN, nonlinearity="relu"),
                rnn_relu_layer,
                kernel_cell="rnn_relu",
            ),
        },
    ),
    "min_gru": Cell(
        num_states=1,
        # Its candidate has one published activation, for which the backbone's default stands.
        variants={"tanh": Variant(MinGRU, min_gru_layer, native=False)},
    ),
}


def check_options(
    sizes: dict[str, int], cell: str, bidirectional: bool, dropout: float, activation: str
) -> None:
    """Raise UserError for an option that is out of its range or set."""
    check_flag("backbone.bidirectional", bidirectional)
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UserError(f"backbone.{name}={size!r}: needs a whole number of at least 1")
    if cell not in CELLS:
        raise UserError(f"backbone.cell={cell!r}: choose one of {', '.join(CELLS)}")
    activations = CELLS[cell].variants
    if activation not in activations:
        raise UserError(
            f"backbone.activation={activation!r}: with backbone.cell={cell} "
            f"choose one of {', '.join(activations)}"
        )
    if (
        isinstance(dropout, bool)
        or not isinstance(dropout, int | float)
        or not 0.0 <= dropout < 1.0
    ):
        raise UserError(f"backbone.dropout={dropout!r}: needs a number with 0 <= dropout < 1")
    # torch applies dropout between layers only, so one layer with dropout > 0 would silently train
    # without it.
    if dropout and sizes["num_layers"] == 1:
        raise UserError(
            f"backbone.dropout={dropout} has no effect with num_layers=1: "
            "set dropout=0 or num_layers=2 or more"
        )
