"""The recurrent backbone that all tasks share.

Shapes: B batch, T time steps (right-padded), F input features, H output features (2 x hidden_size
    if bidirectional), L layers times directions.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.nn.cells.layers import LayerState, as_state, open_forget_gate
from gru_suite.nn.cells.native_int8 import Int8Weights, quantized
from gru_suite.nn.cells.native_step import is_step, run_step
from gru_suite.nn.cells.ragged import RaggedBatch, all_valid
from gru_suite.nn.cells.stack import (
    find_kernel,
    half_products,
    kernel_serves,
    leaves_autocast,
    run_stack,
)
from gru_suite.nn.cells.table import CELLS, check_options

TORCH_CELLS = {nn.GRU: "gru", nn.LSTM: "lstm", nn.RNN: "rnn"}
"""The cell of each recurrence of ``torch.nn``."""

State = Tensor | tuple[Tensor, Tensor]
"""Hidden state (L, B, hidden_size) of a gru, rnn or min_gru; hidden and cell state of an lstm."""


class RecurrentBackbone(nn.Module):
    """Stack of recurrent layers: features to hidden states, one for each time step.

    With ``x`` the features of a step, ``h`` the hidden state before it, ``h'`` after it, and ``*``
    elementwise::

        gru   r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)          reset gate
              z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)          update gate
              n  = act(W_in x + b_in + r * (W_hn h + b_hn))        candidate state
              h' = (1 - z) * n + z * h

        lstm  i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.)     input, forget, output gate
              g  = tanh(W_ig x + b_ig + W_hg h + b_hg)             candidate state
              c' = f * c + i * g,  h' = o * tanh(c')

        rnn   h' = act(W_ih x + b_ih + W_hh h + b_hh)

        min_gru  as in :class:`gru_suite.nn.cells.min_gru.MinGRU`

    The GRU is that of Cho et al. 2014 (https://arxiv.org/abs/1406.1078) in torch's variant: the
    reset gate acts after the recurrent product (Cho: ``W_hn (r * h)``), so that all three products
    are one. As in Cho's equation 7, ``z`` is the share of the old state that stays.

    The weights are those of the torch module in ``rnn``, by name, shape and order of gates, so its
    ``state_dict`` is interchangeable with that of ``torch.nn.GRU`` / ``LSTM`` / ``RNN``. They start
    as torch's do, uniform within 1 / sqrt(hidden_size), except that the LSTM's forget gate starts
    with bias 1. The initial state is zeros.
    """

    def __init__(
        self,
        input_size: int,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        activation: str = "tanh",
    ) -> None:
        """Build the weights.

        Args:
            input_size: features of a time step, at least 1.
            cell: a name in ``CELLS``: gru, lstm, rnn or min_gru.
            hidden_size: units of each layer and direction, at least 1.
            num_layers: stacked layers, at least 1.
            bidirectional: run a second pass from the last valid step to the first; doubles
                ``output_size``.
            dropout: share of each layer's outputs dropped on the way into the next, from 0 to
                below 1; needs two layers or more.
            activation: of the candidate state: tanh, or relu (gru and rnn).

        Raises:
            UserError: an argument is out of its range or set.
        """
        super().__init__()
        sizes = {"hidden_size": hidden_size, "num_layers": num_layers, "input_size": input_size}
        check_options(sizes, cell, bidirectional, dropout, activation)
        self.input_size = input_size
        self.cell, self.activation = cell, activation
        self.output_size = hidden_size * (2 if bidirectional else 1)
        self._cell = CELLS[cell]
        self._variant = self._cell.variants[activation]
        if self._variant.kernel_cell is not None:
            find_kernel()
        self._int8: Int8Weights | None = None
        self.rnn = self._variant.module(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
        )
        if self._cell.forget_gate is not None:
            open_forget_gate(self.rnn, self._cell.forget_gate)

    def forward(
        self, x_BTF: Tensor, lengths_B: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Return the hidden states of every step and the state after the last valid one.

        Values at padding, NaN included, change neither.

        Args:
            x_BTF: features, right-padded.
            lengths_B: valid steps of each sequence, integers in 1..T; None means that all T are
                valid.
            state: state to start from, as returned for the steps before; None means zeros.

        Returns:
            The top layer's hidden states, (B, T, H), zero at padding (for a bidirectional backbone
            the forward pass's and then the backward pass's), and the state of every layer and
            direction after the sequence's last step (backward: after its first).

        Raises:
            UserError: shapes do not fit, or a length is outside 1..T.
        """
        if not leaves_autocast(self._variant.kernel_cell, x_BTF):
            return self._run(x_BTF, lengths_B, state)
        half = half_products()
        with torch.autocast("cpu", enabled=False):
            return self._run(x_BTF.float(), lengths_B, state, half)

    def _run(
        self, x_BTF: Tensor, lengths_B: Tensor | None, state: State | None, half: bool = False
    ) -> tuple[Tensor, State]:
        states_LBH = self._initial_states(x_BTF, state)
        # An exported graph runs on other lengths than those of the trace.
        traced = torch.compiler.is_exporting()
        if lengths_B is not None and not traced and all_valid(lengths_B, *x_BTF.shape[:2]):
            lengths_B = None
        cell = self._variant.kernel_cell
        if cell is not None and kernel_serves(self.rnn, x_BTF):
            if lengths_B is None and not half and is_step(self.rnn, x_BTF):
                h_BH, last_LBH = run_step(cell, self.rnn, x_BTF[:, 0], states_LBH, self._int8)
                return h_BH.unsqueeze(1), as_state(last_LBH)
            rows = x_BTF, lengths_B, states_LBH
            h_BTH, last_LBH = run_stack(cell, self.rnn, *rows, half, self._int8)
            return h_BTH, as_state(last_LBH)
        if lengths_B is not None or not self._variant.native:
            return self._forward_by_layer(x_BTF, lengths_B, states_LBH)
        h_BTH, last_LBH = self.rnn(x_BTF, as_state(states_LBH))
        return h_BTH, last_LBH

    def step(self, x_BF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Advance all sequences by one step.

        Args:
            x_BF: features of the step.
            state: state after the step before; None at the start.

        Returns:
            The top layer's hidden state, (B, H), and the state for the next step.

        Raises:
            UserError: the backbone is bidirectional.
        """
        rnn, cell = self.rnn, self._variant.kernel_cell
        if rnn.bidirectional:
            raise UserError("backbone.bidirectional=True cannot go step by step; set it to False")
        x_B1F = x_BF.unsqueeze(1)
        hooked = self._forward_pre_hooks or self._forward_hooks
        if cell is None or hooked or torch.is_grad_enabled() or not kernel_serves(rnn, x_BF):
            h_BTH, state = self(x_B1F, None, state)
            return h_BTH[:, 0], state
        states_LBH = self._initial_states(x_B1F, state)
        h_BH, states_LBH = run_step(cell, rnn, x_BF, states_LBH, self._int8)
        return h_BH, as_state(states_LBH)

    def quantize(self) -> None:
        """Compute with weights of eight bits in evaluation mode without gradients, from now on.

        Each row of a matrix, and each vector it is multiplied with, is rounded to whole numbers of
        -127 to 127 times a scale of its own; sums, biases and states stay float32. The parameters
        do not change. A step of a stream takes less time, a large batch more.

        Raises:
            UserError: the cell is min_gru, the weights are not float32 on the CPU, or the kernel is
                missing or switched off.
        """
        self._int8 = quantized(self.cell, self._variant.kernel_cell, self.rnn)

    def _forward_by_layer(
        self, x_BTF: Tensor, lengths_B: Tensor | None, states_LBH: LayerState
    ) -> tuple[Tensor, State]:
        """Run layer by layer and direction by direction, as lengths need it."""
        batch = RaggedBatch(x_BTF, lengths_B)
        num_directions = 2 if self.rnn.bidirectional else 1
        all_weights = self.rnn.all_weights
        features_BTF = batch.blank(x_BTF)
        finals: list[LayerState] = []
        for layer in range(self.rnn.num_layers):
            if layer:
                features_BTF = F.dropout(features_BTF, self.rnn.dropout, self.training)
            outputs: list[Tensor] = []
            for direction in range(num_directions):
                index = layer * num_directions + direction
                layer_state = tuple(state_LBH[index : index + 1] for state_LBH in states_LBH)
                h_BTH, final = self._variant.layer(
                    batch.flip(features_BTF) if direction else features_BTF,
                    layer_state,
                    all_weights[index],
                    batch.padding_BT1,
                )
                finals.append((batch.last(h_BTH), *final[1:]))
                outputs.append(batch.flip(h_BTH) if direction else h_BTH)
            features_BTF = torch.cat(outputs, dim=2) if self.rnn.bidirectional else outputs[0]
        final_LBH = tuple(torch.cat(parts) for parts in zip(*finals, strict=True))
        return batch.blank(features_BTF), as_state(final_LBH)

    def _initial_states(self, x_BTF: Tensor, state: State | None) -> LayerState:
        """Check shapes and return the states to start from as a tuple, each (L, B, hidden_size)."""
        if x_BTF.dim() != 3 or x_BTF.size(2) != self.input_size or x_BTF.size(1) == 0:
            raise UserError(
                f"input of shape {tuple(x_BTF.shape)}: the backbone needs "
                f"(batch, time steps, {self.input_size}) with at least one step"
            )
        rnn = self.rnn
        num_layers = rnn.num_layers * (2 if rnn.bidirectional else 1)
        shape = (num_layers, x_BTF.size(0), rnn.hidden_size)
        needed = [shape] * self._cell.num_states
        if state is None:
            return tuple(x_BTF.new_zeros(part) for part in needed)
        states = (state,) if isinstance(state, Tensor) else tuple(state)
        found = [tuple(part.shape) for part in states]
        if found != needed:
            raise UserError(f"state of shapes {found}: the backbone needs {needed}")
        dtype = x_BTF.dtype
        return tuple(part if part.dtype == dtype else part.to(dtype) for part in states)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that build a backbone of the same shape, as plain data."""
        return {
            "cell": self.cell,
            "activation": self.activation,
            "input_size": self.input_size,
            "hidden_size": self.rnn.hidden_size,
            "num_layers": self.rnn.num_layers,
            "bidirectional": bool(self.rnn.bidirectional),
            "dropout": float(self.rnn.dropout),
        }

    def to_torch(self) -> nn.RNNBase:
        """Return ``torch.nn.GRU``, ``LSTM`` or ``RNN`` with a copy of the weights.

        Raises:
            UserError: torch has no such recurrence.
        """
        if not self._variant.native or type(self.rnn) not in TORCH_CELLS:
            raise UserError(
                f"backbone.cell={self.cell} with backbone.activation={self.activation} has no "
                "equal in torch.nn; use the backbone itself, which is an nn.Module too"
            )
        plain: nn.RNNBase = copy.deepcopy(self.rnn)
        plain.flatten_parameters()
        return plain

    @staticmethod
    def from_torch(rnn: nn.RNNBase) -> "RecurrentBackbone":
        """Return a backbone with a copy of the weights of ``torch.nn.GRU``, ``LSTM`` or ``RNN``.

        The backbone is batch-first whatever ``rnn`` is. Missing biases become zeros.

        Raises:
            UserError: another module, or one with a projection.
        """
        if type(rnn) not in TORCH_CELLS:
            raise UserError(f"{type(rnn).__name__}: needs a torch.nn.GRU, LSTM or RNN")
        if rnn.proj_size:
            raise UserError(f"torch.nn.LSTM with proj_size={rnn.proj_size}: no backbone has that")
        backbone = RecurrentBackbone(
            rnn.input_size,
            TORCH_CELLS[type(rnn)],
            rnn.hidden_size,
            rnn.num_layers,
            bool(rnn.bidirectional),
            # torch takes a dropout with a single layer and ignores it.
            rnn.dropout if rnn.num_layers > 1 else 0.0,
            getattr(rnn, "nonlinearity", "tanh"),
        )
        backbone.to(next(rnn.parameters()))
        zeros = {name: torch.zeros_like(value) for name, value in backbone.rnn.state_dict().items()}
        backbone.rnn.load_state_dict({**zeros, **rnn.state_dict()})
        return backbone.train(rnn.training)
