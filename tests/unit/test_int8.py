"""Recurrent weights of eight bits: against their equations, and where they are used."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells import native_int8
from gru_suite.nn.cells.native import library

# Shapes: B batch, T time steps, F input features, H hidden units, L layers times directions.

pytestmark = pytest.mark.skipif(library.kernel() is None, reason="the kernel was not built")

CELLS = [("gru", "tanh"), ("gru", "relu"), ("lstm", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]


def rounded(rows: Tensor) -> Tensor:
    """Return rows of whole multiples of a 127th of their largest magnitude."""
    scale = rows.abs().amax(-1, keepdim=True) / 127
    return torch.where(scale > 0, (rows / scale).round() * scale, 0.0)


def one_step(backbone: RecurrentBackbone, x_BF: Tensor, states: list[Tensor]) -> list[Tensor]:
    """Return the states after a step of a single layer by the equations, in double precision."""
    weight_ih, weight_hh, bias_ih, bias_hh = (w.double() for w in backbone.rnn.all_weights[0])
    input_BG = rounded(x_BF.double()) @ rounded(weight_ih).t() + bias_ih
    before_BG = rounded(states[0].double()) @ rounded(weight_hh).t() + bias_hh
    act = torch.relu if backbone.activation == "relu" else torch.tanh
    if backbone.cell == "rnn":
        return [act(input_BG + before_BG)]
    if backbone.cell == "lstm":
        i, f, g, o = (input_BG + before_BG).chunk(4, 1)
        cell_BH = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
        return [o.sigmoid() * cell_BH.tanh(), cell_BH]
    (r, z, n), (hr, hz, hn) = input_BG.chunk(3, 1), before_BG.chunk(3, 1)
    z, n = (z + hz).sigmoid(), act(n + (r + hr).sigmoid() * hn)
    return [(1 - z) * n + z * states[0]]


def parts(state: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def quantized(*options, **named) -> RecurrentBackbone:
    backbone = RecurrentBackbone(*options, **named).eval()
    backbone.quantize()
    return backbone


@torch.no_grad()
@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 64, 128), (3, 5, 19), (9, 33, 48), (20, 6, 7)])
def test_a_step_equals_its_equations(sizes, cell, activation):
    B, F, H = sizes
    torch.manual_seed(sum(sizes))
    backbone = quantized(F, cell, H, activation=activation)
    state = [torch.randn(1, B, H) for _ in range(2 if cell == "lstm" else 1)]
    x_BF = torch.randn(B, F) * torch.logspace(-3, 3, B)[:, None]
    h_BH, after = backbone.step(x_BF, tuple(state) if cell == "lstm" else state[0])
    wanted = one_step(backbone, x_BF, [part[0].double() for part in state])
    for found, expected in zip([h_BH[None], *parts(after)], [wanted[0], *wanted], strict=True):
        torch.testing.assert_close(found[0].double(), expected, rtol=2e-5, atol=2e-5)


@torch.no_grad()
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_equal_the_whole_in_any_batch(threads, cell):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    backbone = quantized(9, cell, 21, 2)
    x_BTF, lengths_B = torch.randn(7, 12, 9), torch.tensor([12, 3, 1, 7, 12, 5, 9])
    h_BTH, last = backbone(x_BTF, lengths_B)
    torch.set_num_threads(before)
    for b, length in enumerate(lengths_B.tolist()):
        state, outputs = None, []
        for t in range(length):
            h_1H, state = backbone.step(x_BTF[b : b + 1, t], state)
            outputs.append(h_1H)
        assert torch.equal(torch.cat(outputs), h_BTH[b, :length])
        for found, expected in zip(parts(state), parts(last), strict=True):
            assert torch.equal(found[:, 0], expected[:, b])


@torch.no_grad()
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_it_is_near_float32_in_both_directions(cell):
    torch.manual_seed(0)
    backbone = RecurrentBackbone(16, cell, 32, 2, bidirectional=True).eval()
    x_BTF, lengths_B = torch.randn(10, 30, 16), torch.randint(1, 31, (10,))
    exact, _ = backbone(x_BTF, lengths_B)
    backbone.quantize()
    found, _ = backbone(x_BTF, lengths_B)
    difference = (found - exact).abs()
    assert 0 < difference.max() < 0.06
    assert difference.mean() < 0.005


def test_training_is_in_float32_and_rounds_again():
    torch.manual_seed(0)
    backbone = quantized(4, "gru", 8)
    plain = RecurrentBackbone(4, "gru", 8).eval()
    plain.load_state_dict(backbone.state_dict())
    x_BTF = torch.randn(8, 5, 4)
    assert torch.equal(backbone(x_BTF)[0], plain(x_BTF)[0]), "gradients are recorded"
    with torch.no_grad():
        before = backbone(x_BTF)[0]
        assert not torch.equal(before, plain(x_BTF)[0])
        assert torch.equal(backbone.train()(x_BTF)[0], plain(x_BTF)[0]), "training mode"
        backbone.eval()
        for weight in backbone.parameters():
            weight.mul_(0.5)
        changed = backbone(x_BTF)[0]
        assert not torch.equal(changed, before)
        fresh = RecurrentBackbone(4, "gru", 8).eval()
        fresh.load_state_dict(backbone.state_dict())
        fresh.quantize()
        assert torch.equal(fresh(x_BTF)[0], changed)


@torch.no_grad()
def test_copies_compute_alike():
    backbone = quantized(4, "lstm", 8)
    x_BTF = torch.randn(2, 5, 4)
    wanted = backbone(x_BTF)[0]
    for copied in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert torch.equal(copied(x_BTF)[0], wanted)


@torch.inference_mode()
def test_weights_of_inference_mode_are_rounded():
    backbone = quantized(4, "gru", 8)
    h_BH, _ = backbone.step(torch.ones(1, 4))
    assert h_BH.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_in_its_row(bad):
    backbone = quantized(4, "gru", 8)
    x_BTF = torch.randn(3, 5, 4)
    wanted = backbone(x_BTF)[0]
    x_BTF[1, 2, 3] = bad
    found = backbone(x_BTF)[0]
    assert found[1, 2:].isnan().all()
    assert torch.equal(found[[0, 2]], wanted[[0, 2]])
    assert torch.equal(found[1, :2], wanted[1, :2])


@torch.no_grad()
def test_a_compiled_backbone_computes_in_eight_bits():
    backbone = quantized(4, "gru", 8)
    x_BTF = torch.randn(3, 5, 4)
    # Dynamo leaves modules that are a GRU to eager by default.
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(backbone, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x_BTF)[0], backbone(x_BTF)[0])


def test_a_cell_without_recurrent_weights_is_refused():
    with pytest.raises(UserError, match=r"min_gru has no recurrent weights.*gru, lstm and rnn"):
        RecurrentBackbone(4, "min_gru", 8).quantize()


def test_other_weights_than_float32_are_refused():
    with pytest.raises(UserError, match=r"torch.float64 on cpu; eight bits serve float32"):
        RecurrentBackbone(4, "gru", 8).double().quantize()


def test_without_the_kernel_it_is_refused(monkeypatch):
    monkeypatch.setattr(native_int8, "kernel", lambda: None)
    with pytest.raises(UserError, match="int8: needs the C kernel"):
        RecurrentBackbone(4).quantize()
