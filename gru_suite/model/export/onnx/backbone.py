"""The backbone as ONNX's recurrent operators, which take lengths, directions and states.

Shapes: B batch, T time steps (right-padded), F input features, H hidden units, G gates times H,
    D directions, L layers times directions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone, State


class Node(NamedTuple):
    """The ONNX operator of a recurrence and the order of its gates.

    Attributes:
        op: the operator.
        gates: index in torch's order of each gate in ONNX's order.
        functions: the activation functions of one direction.
        linear_before_reset: of a GRU, whether the reset gate acts after the recurrent product.
    """

    op: str
    gates: tuple[int, ...]
    functions: tuple[str, ...]
    linear_before_reset: bool = False


# torch orders a GRU's gates r z n and ONNX z r n; an LSTM's i f g o, and ONNX i o f g.
_GRU = Node("GRU", (1, 0, 2), ("Sigmoid", "Tanh"), True)
NODES = {
    ("gru", "tanh"): _GRU,
    ("gru", "relu"): _GRU._replace(functions=("Sigmoid", "Relu")),
    ("lstm", "tanh"): Node("LSTM", (0, 3, 1, 2), ("Sigmoid", "Tanh", "Tanh")),
    ("rnn", "tanh"): Node("RNN", (0,), ("Tanh",)),
    ("rnn", "relu"): Node("RNN", (0,), ("Relu",)),
}


class OnnxBackbone(nn.Module):
    """Replaces a backbone while a module is traced for ONNX: one node for each layer.

    torch's own translation of its recurrences has no lengths, none at all for ``nn.RNN``, and
    depends on earlier exports in the process. Outside of a trace the outputs are zeros.
    """

    def __init__(self, backbone: RecurrentBackbone, node: Node) -> None:
        """Arrange the weights in ONNX's order.

        Args:
            backbone: what is replaced.
            node: its recurrence.
        """
        super().__init__()
        self.rnn, self.output_size = backbone.rnn, backbone.output_size
        self.node = node
        self.num_states = 2 if node.op == "LSTM" else 1
        directions = 2 if self.rnn.bidirectional else 1
        for layer in range(self.rnn.num_layers):
            weights = self.rnn.all_weights[layer * directions : (layer + 1) * directions]
            kinds = [torch.stack(parts) for parts in zip(*map(self._reorder, weights), strict=True)]
            for name, kind in zip(("w", "r", "b"), kinds, strict=True):
                self.register_buffer(f"{name}_{layer}", kind)

    def _reorder(self, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        w_GF, r_GH, *biases = (
            torch.cat([each.detach().chunk(len(self.node.gates))[gate] for gate in self.node.gates])
            for each in weights
        )
        return w_GF, r_GH, torch.cat(biases)

    def forward(
        self, x_BTF: Tensor, lengths_B: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Return what :meth:`RecurrentBackbone.forward` returns."""
        lengths = None if lengths_B is None else lengths_B.to(torch.int32)
        directions = 2 if self.rnn.bidirectional else 1
        x_TBF = x_BTF.transpose(0, 1)
        states = () if state is None else (state,) if isinstance(state, Tensor) else tuple(state)
        finals: list[tuple[Tensor, ...]] = []
        for layer in range(self.rnn.num_layers):
            rows = slice(layer * directions, (layer + 1) * directions)
            initial = [state_LBH[rows] for state_LBH in states]
            x_TBF, final = self._layer(layer, x_TBF, lengths, initial)
            finals.append(final)
        last = [torch.cat(parts) for parts in zip(*finals, strict=True)]
        return x_TBF.transpose(0, 1), last[0] if len(last) == 1 else (last[0], last[1])

    def step(self, x_BF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return what :meth:`RecurrentBackbone.step` returns."""
        h_B1H, state = self(x_BF.unsqueeze(1), None, state)
        return h_B1H[:, 0], state

    def _layer(
        self, layer: int, x_TBF: Tensor, lengths: Tensor | None, initial: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        T, B = x_TBF.shape[:2]
        weights = [getattr(self, f"{name}_{layer}") for name in ("w", "r", "b")]
        D, H = len(weights[0]), self.rnn.hidden_size
        attributes: dict[str, Any] = {
            "hidden_size": H,
            "direction": "bidirectional" if D == 2 else "forward",
            "activations": list(self.node.functions) * D,
        }
        if self.node.linear_before_reset:
            attributes["linear_before_reset"] = 1
        h_TDBH, *final = torch.onnx.ops.symbolic_multi_out(
            self.node.op,
            [x_TBF, *weights, lengths, *initial],
            attributes,
            dtypes=[x_TBF.dtype] * (1 + self.num_states),
            shapes=[(T, D, B, H), *[(D, B, H)] * self.num_states],
        )
        return h_TDBH.transpose(1, 2).flatten(2), tuple(final)


@contextmanager
def onnx_backbones(module: nn.Module) -> Iterator[None]:
    """Replace every backbone in a module by its ONNX operators within the block.

    A backbone whose cell is made of plain operations stays and is traced.
    """
    found: list[tuple[nn.Module, str, RecurrentBackbone]] = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, RecurrentBackbone)
    ]
    try:
        for parent, name, backbone in found:
            node = NODES.get((backbone.cell, backbone.activation))
            if node is not None:
                setattr(parent, name, OnnxBackbone(backbone, node))
        yield
    finally:
        for parent, name, backbone in found:
            setattr(parent, name, backbone)
