"""What must hold for every backbone, batch and set of lengths."""

from typing import NamedTuple

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone, State
from gru_suite.nn.cells.table import CELLS

# Shapes: B batch, T time steps (right-padded), F input features, H output features.
VARIANTS = [(cell, name) for cell, spec in CELLS.items() for name in spec.variants]
TORCH_VARIANTS = [(cell, name) for cell, name in VARIANTS if CELLS[cell].variants[name].native]
CLOSE = {"atol": 1e-6, "rtol": 1e-5}


class Case(NamedTuple):
    """A backbone with a padded batch and a state to start from."""

    backbone: RecurrentBackbone
    x_BTF: Tensor
    lengths_B: Tensor
    state: State


@st.composite
def cases(draw, variants=tuple(VARIANTS), directions=(False, True)) -> Case:
    cell, activation = draw(st.sampled_from(variants))
    num_steps = draw(st.integers(1, 8))
    lengths = draw(st.lists(st.integers(1, num_steps), min_size=1, max_size=4))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    backbone = RecurrentBackbone(
        input_size=draw(st.integers(1, 4)),
        cell=cell,
        hidden_size=draw(st.integers(1, 5)),
        num_layers=draw(st.integers(1, 3)),
        bidirectional=draw(st.sampled_from(directions)),
        activation=activation,
    )
    x_BTF = torch.randn(len(lengths), num_steps, backbone.input_size)
    _, blank = backbone(x_BTF)
    drawn = [torch.rand_like(part) - 0.5 for part in parts(blank)]
    state = drawn[0] if len(drawn) == 1 else (drawn[0], drawn[1])
    return Case(backbone, x_BTF, torch.tensor(lengths), state)


def parts(state: State) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def map_state(function, state: State) -> State:
    mapped = [function(part) for part in parts(state)]
    return mapped[0] if len(mapped) == 1 else (mapped[0], mapped[1])


def assert_close(ours: tuple[Tensor, State], theirs: tuple[Tensor, State]) -> None:
    torch.testing.assert_close(ours[0], theirs[0], **CLOSE)
    for our_part, their_part in zip(parts(ours[1]), parts(theirs[1]), strict=True):
        torch.testing.assert_close(our_part, their_part, **CLOSE)


def select(state: State, rows) -> State:
    return map_state(lambda part_LBH: part_LBH[:, rows], state)


def padding_mask(case: Case) -> Tensor:
    return torch.arange(case.x_BTF.size(1)) >= case.lengths_B.unsqueeze(1)


examples = settings(deadline=None, max_examples=100)


@examples
@given(cases(TORCH_VARIANTS))
def test_lengths_equal_packing(case):
    packed = nn.utils.rnn.pack_padded_sequence(
        case.x_BTF, case.lengths_B, batch_first=True, enforce_sorted=False
    )
    h_packed, last = case.backbone.rnn(packed, case.state)
    h_BTH, _ = nn.utils.rnn.pad_packed_sequence(
        h_packed, batch_first=True, total_length=case.x_BTF.size(1)
    )
    assert_close(case.backbone(case.x_BTF, case.lengths_B, case.state), (h_BTH, last))


@examples
@given(cases())
def test_each_sequence_equals_itself_alone(case):
    h_BTH, last = case.backbone(case.x_BTF, case.lengths_B, case.state)
    for row, length in enumerate(case.lengths_B.tolist()):
        one = slice(row, row + 1)
        alone = case.backbone(case.x_BTF[one, :length], None, select(case.state, one))
        assert_close((h_BTH[one, :length], select(last, one)), alone)


@examples
@given(cases(), st.sampled_from([0.0, 1e9, float("nan"), float("inf")]))
def test_padding_reaches_neither_outputs_nor_gradients(case, filler):
    results = []
    for value in (1.0, filler):
        x_BTF = case.x_BTF.masked_fill(padding_mask(case).unsqueeze(2), value).requires_grad_()
        case.backbone.zero_grad()
        h_BTH, last = case.backbone(x_BTF, case.lengths_B, case.state)
        (h_BTH.square().sum() + sum(part.square().sum() for part in parts(last))).backward()
        grads = [parameter.grad for parameter in case.backbone.parameters()]
        results.append([h_BTH, *parts(last), x_BTF.grad, *grads])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
    h_BTH, x_grad_BTF = results[1][0], results[1][1 + len(parts(case.state))]
    assert (h_BTH[padding_mask(case)] == 0).all()
    assert (x_grad_BTF[padding_mask(case)] == 0).all()


@examples
@given(cases(), st.integers(1, 5))
def test_more_padding_changes_nothing(case, extra):
    h_BTH, last = case.backbone(case.x_BTF, case.lengths_B, case.state)
    longer_BTF = nn.functional.pad(case.x_BTF, (0, 0, 0, extra), value=7.0)
    expected_BTH = nn.functional.pad(h_BTH, (0, 0, 0, extra))
    assert_close(case.backbone(longer_BTF, case.lengths_B, case.state), (expected_BTH, last))


@examples
@given(cases(), st.randoms(use_true_random=False))
def test_permuting_the_batch_permutes_the_result(case, random):
    rows = list(range(len(case.lengths_B)))
    random.shuffle(rows)
    h_BTH, last = case.backbone(case.x_BTF, case.lengths_B, case.state)
    permuted = case.backbone(case.x_BTF[rows], case.lengths_B[rows], select(case.state, rows))
    assert_close(permuted, (h_BTH[rows], select(last, rows)))


@examples
@given(cases(directions=(False,)), st.data())
def test_chunks_with_carried_state_equal_the_whole(case, data):
    num_steps = case.x_BTF.size(1)
    inner = st.sampled_from(range(1, num_steps)) if num_steps > 1 else st.nothing()
    cuts = sorted(data.draw(st.sets(inner)))
    state, chunks = case.state, []
    for start, stop in zip([0, *cuts], [*cuts, num_steps], strict=True):
        h_BTH, state = case.backbone(case.x_BTF[:, start:stop], None, state)
        chunks.append(h_BTH)
    whole = case.backbone(case.x_BTF, None, case.state)
    assert_close((torch.cat(chunks, dim=1), state), whole)


@examples
@given(cases(directions=(False,)))
def test_steps_equal_the_whole(case):
    state, steps = None, []
    for x_BF in case.x_BTF.unbind(1):
        h_BH, state = case.backbone.step(x_BF, state)
        steps.append(h_BH)
    assert_close((torch.stack(steps, dim=1), state), case.backbone(case.x_BTF))


@examples
@given(cases())
def test_no_state_is_zeros(case):
    zeros = map_state(torch.zeros_like, case.state)
    ours = case.backbone(case.x_BTF, case.lengths_B)
    theirs = case.backbone(case.x_BTF, case.lengths_B, zeros)
    assert torch.equal(ours[0], theirs[0])
    assert all(map(torch.equal, parts(ours[1]), parts(theirs[1])))


@examples
@given(cases(directions=(True,)))
def test_bidirectional_summary_is_forward_last_and_backward_first(case):
    h_BTH, last = case.backbone(case.x_BTF, case.lengths_B)
    h_LBH, middle = parts(last)[0], case.backbone.output_size // 2
    rows = torch.arange(len(case.lengths_B))
    torch.testing.assert_close(h_LBH[-2], h_BTH[rows, case.lengths_B - 1, :middle])
    torch.testing.assert_close(h_LBH[-1], h_BTH[:, 0, middle:])
