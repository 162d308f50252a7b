"""The C kernel against torch in double precision, over random shapes, cells and options."""

import copy
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import gru_suite.nn.backbone as backbone_module
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.native.library import kernel
from gru_suite.nn.cells.stack import kernel_serves

# Shapes: B batch, T time steps (right-padded), F input features, H output features, L layers times
#     directions.
RELATIVE_ERROR = 1e-5
# Multiplications of one example's largest product: what a core does in a second or two, twice.
MAX_WORK = 4e8

pytestmark = pytest.mark.skipif(kernel() is None, reason="the kernel was not built")


# Cell and activation.
CELLS = [("gru", "tanh"), ("gru", "relu"), ("lstm", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]


class Case(NamedTuple):
    """A backbone, a padded batch with or without lengths, and its states or none."""

    backbone: RecurrentBackbone
    x_BTF: Tensor
    lengths_B: Tensor | None
    states_LBH: list[Tensor]


@st.composite
def cases(draw, largest, cells=CELLS) -> Case:
    cell, activation = draw(st.sampled_from(cells))
    max_batch, max_steps, max_input, max_hidden = largest
    B = draw(st.integers(1, max_batch))
    F, H = draw(st.integers(1, max_input)), draw(st.integers(1, max_hidden))
    num_layers, directions = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    step_work = B * 3 * H * (F + num_layers * directions * 3 * H)
    T = draw(st.integers(1, max(1, min(max_steps, int(MAX_WORK / step_work)))))
    lengths = None
    if draw(st.booleans()):
        lengths = torch.tensor(draw(st.lists(st.integers(1, T), min_size=B, max_size=B)))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    backbone = RecurrentBackbone(F, cell, H, num_layers, directions == 2, activation=activation)
    states_LBH = []
    if draw(st.booleans()):
        count = 2 if cell == "lstm" else 1
        states_LBH = [torch.rand(num_layers * directions, B, H) * 2 - 1 for _ in range(count)]
    # Weights are of size 1 / sqrt(H): many inputs to few units would saturate the gates, whose
    # gradients then have no digits, in torch either.
    scale = min(1.0, (H / F) ** 0.5)
    return Case(backbone, scale * torch.randn(B, T, F), lengths, states_LBH)


def as_state(states_LBH: list[Tensor]) -> Any:
    return tuple(states_LBH) if len(states_LBH) == 2 else states_LBH[0] if states_LBH else None


def reference(
    backbone: RecurrentBackbone, x_BTF: Tensor, lengths_B: Tensor | None, states_LBH: list[Tensor]
) -> tuple[Tensor, Any]:
    state = as_state(states_LBH)
    if backbone.cell == "gru" and backbone.activation == "relu":
        # torch has none; tests/unit/test_backbone.py has it against its equations.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backbone_module, "kernel_serves", lambda rnn, x_BTF: False)
            return backbone(x_BTF, lengths_B, state)
    if lengths_B is None:
        return backbone.rnn(x_BTF, state)
    packed = nn.utils.rnn.pack_padded_sequence(
        x_BTF, lengths_B, batch_first=True, enforce_sorted=False
    )
    h_packed, last = backbone.rnn(packed, state)
    h_BTH, _ = nn.utils.rnn.pad_packed_sequence(
        h_packed, batch_first=True, total_length=x_BTF.size(1)
    )
    return h_BTH, last


def results(case: Case, ours: bool, dtype: torch.dtype) -> list[Tensor]:
    """Return outputs, last states and every gradient."""
    backbone = copy.deepcopy(case.backbone).to(dtype)
    x_BTF = case.x_BTF.to(dtype).requires_grad_()
    states_LBH = [each.to(dtype).requires_grad_() for each in case.states_LBH]
    if ours:
        assert kernel_serves(backbone.rnn, x_BTF) or torch.is_autocast_enabled("cpu")
        h_BTH, last = backbone(x_BTF, case.lengths_B, as_state(states_LBH))
    else:
        h_BTH, last = reference(backbone, x_BTF, case.lengths_B, states_LBH)
    outputs = [h_BTH, *(last if isinstance(last, tuple) else (last,))]
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(part.shape, generator=generator).to(dtype) for part in outputs]
    sum((part * weight).sum() for part, weight in zip(outputs, weights, strict=True)).backward()
    leaves = [x_BTF, *states_LBH, *backbone.parameters()]
    return [*(part.detach() for part in outputs), *(leaf.grad for leaf in leaves)]


def error(found: Tensor, true: Tensor) -> float:
    return float((found.double() - true).norm() / true.norm().clamp_min(1e-30))


def check(case: Case) -> None:
    true = results(case, ours=False, dtype=torch.float64)
    ours = results(case, ours=True, dtype=torch.float32)
    errors = list(map(error, ours, true))
    if max(errors) < RELATIVE_ERROR:
        return
    # A sum that cancels has no digits to lose: no worse there than torch itself, whose error in a
    # few numbers may be small by chance.
    theirs = map(error, results(case, ours=False, dtype=torch.float32), true)
    for mine, torchs, part in zip(errors, theirs, true, strict=True):
        few = max(1.0, 10 / part.numel())
        assert mine < max(few * RELATIVE_ERROR, 3 * torchs)


@settings(deadline=None, max_examples=150)
@given(cases((9, 20, 12, 40)))
def test_small_shapes_equal_torch_in_double_precision(case):
    check(case)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(cases((70, 300, 100, 600)))
def test_shapes_equal_torch_in_double_precision(case):
    check(case)


@pytest.mark.skipif(
    kernel() is not None and not kernel().has_half,
    reason="the processor does not multiply bfloat16 numbers",
)
@settings(deadline=None, max_examples=80)
@given(cases((40, 20, 30, 60), [("gru", "tanh"), ("lstm", "tanh"), ("rnn", "tanh")]))
def test_products_of_bfloat16_numbers_are_close(case):
    true = results(case, ours=False, dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        found = results(case, ours=True, dtype=torch.float32)
    outputs = 3 if case.backbone.cell == "lstm" else 2
    for mine, part in zip(found[:outputs], true[:outputs], strict=True):
        torch.testing.assert_close(mine.double(), part, atol=0.05, rtol=0.05)
    # Gradients that cancel have no digits of their own: all of them are one vector.
    mine, part = (torch.cat([g.double().flatten() for g in gs[outputs:]]) for gs in (found, true))
    assert error(mine, part) < 0.05


@settings(deadline=None, max_examples=40)
@given(
    cases((20, 12, 8, 40), CELLS[::2]),
    st.integers(0, 7),
    st.sampled_from([float("nan"), float("inf")]),
)
def test_what_is_not_finite_stays_in_its_sequence(case, place, value):
    """NaN and infinity come out where torch has them, and nowhere else."""
    B, T, F = case.x_BTF.shape
    row = place % B
    case.x_BTF[row, (place * 3) % T, place % F] = value
    with torch.no_grad():
        ours, _ = case.backbone(case.x_BTF, case.lengths_B, as_state(case.states_LBH))
        theirs, _ = reference(case.backbone, case.x_BTF, case.lengths_B, case.states_LBH)
    torch.testing.assert_close(ours, theirs, equal_nan=True, atol=1e-5, rtol=1e-5)
