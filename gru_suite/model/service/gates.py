"""Gates of a backbone while a model predicts, as plain data.

Shapes: B batch, T time steps, F input features, H hidden units.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone, State
from gru_suite.nn.gates import gate_values

MAX_STEPS = 200
MAX_UNITS = 64
_MOST_CALLS = 2_000


class BackboneCall(NamedTuple):
    """Arguments of a call of a backbone."""

    x_BTF: Tensor
    lengths_B: Tensor | None
    state: State | None


@contextmanager
def capture_inputs(model: nn.Module) -> Iterator[list[BackboneCall]]:
    """Yield a list that takes the arguments of the first call of ``model.backbone``.

    Where that is of a single step, those of the single steps after it are taken, too. Calls of
    other threads, such as those of streams, are not.
    """
    calls: list[BackboneCall] = []
    own = threading.get_ident()

    def keep(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if threading.get_ident() != own:
            return
        names = ("x_BTF", "lengths_B", "state")
        given = {**dict(zip(names, arguments, strict=False)), **named}
        call = BackboneCall(*(given.get(name) for name in names))  # type: ignore[arg-type]
        single = bool(calls) and calls[0].x_BTF.size(1) == call.x_BTF.size(1) == 1
        if not calls or (single and len(calls) < _MOST_CALLS):
            calls.append(call)

    backbone: Any = model.backbone
    hook = backbone.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


def gates_as_json(
    backbone: RecurrentBackbone, calls: list[BackboneCall], layer: int
) -> dict[str, Any]:
    """Return the gates of a layer in a captured call: those of its first sequence, forward pass.

    Raises:
        UserError: there is no such layer, or the backbone was not called.
    """
    if not calls:
        raise UserError("the backbone was not called for this input, so there are no gates")
    call = calls[0]
    x_BTF = torch.cat([each.x_BTF[:1] for each in calls], 1)
    length = x_BTF.size(1) if call.lengths_B is None else int(call.lengths_B[0])
    first = call.state
    if first is not None:
        first = first[:, :1] if isinstance(first, Tensor) else (first[0][:, :1], first[1][:, :1])
    with torch.inference_mode():
        found = gate_values(backbone, x_BTF[:, :length], None, first, layer)
    gates, steps, units = {}, [0], [0]
    for name, gate_1TH in found.items():
        values_TH, steps, units = _reduced(gate_1TH[0].float().cpu().numpy())
        gates[name] = values_TH.astype(np.float64).round(3).tolist()
    return {
        "cell": backbone.cell,
        "layer": layer,
        "num_layers": backbone.rnn.num_layers,
        "direction": "forward",
        "num_steps": length,
        "num_units": backbone.rnn.hidden_size,
        "steps": steps,
        "units": units,
        "gates": gates,
    }


def _reduced(values_TH: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """Return means over blocks of steps and units, and the first step and unit of each block."""
    starts = []
    for axis, largest in ((0, MAX_STEPS), (1, MAX_UNITS)):
        size = values_TH.shape[axis]
        first = np.unique(np.arange(min(size, largest)) * size // min(size, largest))
        counts = np.diff([*first, size])
        shape = (-1, 1) if axis == 0 else (1, -1)
        sums_TH = np.add.reduceat(values_TH, first, axis)
        values_TH = (sums_TH / counts.reshape(shape)).astype(np.float32)
        starts.append(first.tolist())
    return values_TH, starts[0], starts[1]
