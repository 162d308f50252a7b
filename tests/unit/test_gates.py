"""Gates of a backbone, against the equations written out step by step."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.service.gates import MAX_STEPS, MAX_UNITS, BackboneCall, gates_as_json
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.gates import GATES, gate_values

INPUT, HIDDEN, STEPS = 3, 4, 7


def make(cell: str, **options: Any) -> RecurrentBackbone:
    torch.manual_seed(1)
    return RecurrentBackbone(INPUT, cell, HIDDEN, **options).eval()


def gru_step(x: Tensor, state: list[Tensor], weights: list[Tensor]) -> dict[str, Tensor]:
    w_ih, w_hh, b_ih, b_hh = weights
    (h,) = state
    r_x, z_x, n_x = (w_ih @ x + b_ih).chunk(3)
    r_h, z_h, n_h = (w_hh @ h + b_hh).chunk(3)
    r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
    state[0] = (1 - z) * torch.tanh(n_x + r * n_h) + z * h
    return {"reset": r, "update": z}


def lstm_step(x: Tensor, state: list[Tensor], weights: list[Tensor]) -> dict[str, Tensor]:
    w_ih, w_hh, b_ih, b_hh = weights
    h, c = state
    i, f, g, o = (w_ih @ x + b_ih + w_hh @ h + b_hh).chunk(4)
    i, f, o = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o)
    state[1] = f * c + i * torch.tanh(g)
    state[0] = o * torch.tanh(state[1])
    return {"input": i, "forget": f, "output": o}


def min_gru_step(x: Tensor, state: list[Tensor], weights: list[Tensor]) -> dict[str, Tensor]:
    z_x, n_x = (weights[0] @ x + weights[1]).chunk(2)
    z = torch.sigmoid(z_x)
    candidate = torch.where(n_x >= 0, n_x + 0.5, torch.sigmoid(n_x))
    state[0] = (1 - z) * state[0] + z * candidate
    return {"update": z}


STEP = {"gru": gru_step, "lstm": lstm_step, "min_gru": min_gru_step}


def written_out(
    backbone: RecurrentBackbone, x_TF: Tensor, state: list[Tensor], layer: int, reverse: bool
) -> dict[str, Tensor]:
    """Return the gates (T, H) of one sequence without padding; ``state`` has (L, H) each."""
    directions = 2 if backbone.rnn.bidirectional else 1
    for below in range(layer + 1):
        outputs = []
        for direction in range(directions):
            index = below * directions + direction
            own = [each[index] for each in state]
            order = list(range(len(x_TF)))[:: -1 if direction else 1]
            gates: list[Any] = [None] * len(order)
            h_TH: list[Any] = [None] * len(order)
            for t in order:
                gates[t] = STEP[backbone.cell](x_TF[t], own, list(backbone.rnn.all_weights[index]))
                h_TH[t] = own[0]
            if below == layer and direction == int(reverse):
                return {name: torch.stack([each[name] for each in gates]) for name in gates[0]}
            outputs.append(torch.stack(h_TH))
        x_TF = torch.cat(outputs, 1)
    raise AssertionError(layer)


CASES = [
    (cell, bidirectional, layer, reverse)
    for cell, bidirectional, layer, reverse in itertools.product(
        ("gru", "lstm", "min_gru"), (False, True), (0, 1), (False, True)
    )
    if bidirectional or not reverse
]


@torch.no_grad()
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize(("cell", "bidirectional", "layer", "reverse"), CASES)
def test_gates_are_those_of_the_equations(
    cell: str, bidirectional: bool, layer: int, reverse: bool, with_state: bool
) -> None:
    backbone = make(cell, num_layers=2, bidirectional=bidirectional)
    x_BTF, lengths_B = torch.randn(3, STEPS, INPUT), torch.tensor([STEPS, 1, 4])
    count = 2 if cell == "lstm" else 1
    places = 4 if bidirectional else 2
    states = [0.5 * torch.rand(places, 3, HIDDEN) * with_state for _ in range(count)]
    given = None
    if with_state:
        given = (states[0], states[1]) if cell == "lstm" else states[0]
    found = gate_values(backbone, x_BTF, lengths_B, given, layer, reverse)
    assert list(found) == list(GATES[cell])
    for row, length in enumerate(lengths_B.tolist()):
        own = [each[:, row].clone() for each in states]
        expected = written_out(backbone, x_BTF[row, :length], own, layer, reverse)
        for name, gate_BTH in found.items():
            assert gate_BTH.shape == (3, STEPS, HIDDEN)
            torch.testing.assert_close(gate_BTH[row, :length], expected[name])
            assert not gate_BTH[row, length:].any()


@pytest.mark.parametrize("cell", list(GATES))
def test_values_at_padding_change_no_gate(cell: str) -> None:
    backbone = make(cell, bidirectional=True)
    x_BTF, lengths_B = torch.randn(2, STEPS, INPUT), torch.tensor([3, STEPS])
    spoilt_BTF = x_BTF.clone()
    spoilt_BTF[0, 3:] = float("nan")
    for reverse in (False, True):
        found = gate_values(backbone, spoilt_BTF, lengths_B, reverse=reverse)
        for name, expected in gate_values(backbone, x_BTF, lengths_B, reverse=reverse).items():
            assert torch.equal(found[name], expected)


def test_an_rnn_has_no_gates_and_a_relu_gru_has_its_own() -> None:
    assert gate_values(make("rnn"), torch.randn(1, 2, INPUT)) == {}
    relu = make("gru", activation="relu")
    found = gate_values(relu, torch.randn(1, 2, INPUT))
    assert all(((each > 0) & (each < 1)).all() for each in found.values())


def test_a_layer_or_direction_that_is_not_there_is_refused() -> None:
    backbone, x_BTF = make("gru", num_layers=2), torch.randn(1, 2, INPUT)
    for layer in (-1, 2):
        with pytest.raises(UserError, match=f"layer {layer}: the backbone has layers 0 to 1"):
            gate_values(backbone, x_BTF, layer=layer)
    with pytest.raises(UserError, match="bidirectional=false"):
        gate_values(backbone, x_BTF, reverse=True)


@pytest.mark.parametrize(("steps", "units"), [(1, 1), (5, 64), (200, 65), (201, 300), (999, 70)])
def test_gates_as_json_are_means_over_blocks(steps: int, units: int) -> None:
    torch.manual_seed(0)
    backbone = RecurrentBackbone(INPUT, "gru", units).eval()
    x_BTF = torch.randn(2, steps, INPUT)
    call = BackboneCall(x_BTF, torch.tensor([steps, 1]), None)
    found = gates_as_json(backbone, [call], 0)
    assert (found["num_steps"], found["num_units"]) == (steps, units)
    assert len(found["steps"]) == min(steps, MAX_STEPS)
    assert len(found["units"]) == min(units, MAX_UNITS)
    whole_TH = gate_values(backbone, x_BTF[:1])["update"][0]
    ends = [*found["steps"][1:], steps]
    unit_ends = [*found["units"][1:], units]
    shown = found["gates"]["update"]
    assert len(shown) == len(found["steps"])
    for row, (first, end) in enumerate(zip(found["steps"], ends, strict=True)):
        unit, unit_end = found["units"][-1], unit_ends[-1]
        mean = float(whole_TH[first:end, unit:unit_end].mean())
        assert shown[row][-1] == pytest.approx(mean, abs=1.1e-3)


def test_without_a_call_of_the_backbone_there_are_no_gates() -> None:
    with pytest.raises(UserError, match="was not called"):
        gates_as_json(make("gru"), [], 0)
