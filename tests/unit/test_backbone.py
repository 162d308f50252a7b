"""The backbone against torch's modules and against the equations written out."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.relu_gru import ReluGRUFunction
from gru_suite.nn.cells.table import CELLS

# Shapes: B batch, T time steps, F input features, H hidden units.
TORCH = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
VARIANTS = [(cell, name) for cell, spec in CELLS.items() for name in spec.variants]


def tensors(state: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def random_state(backbone: RecurrentBackbone, batch_size: int) -> Tensor | tuple[Tensor, ...]:
    _, state = backbone(torch.zeros(batch_size, 1, backbone.input_size))
    drawn = [torch.randn_like(part).tanh() for part in tensors(state)]
    return drawn[0] if len(drawn) == 1 else tuple(drawn)


@pytest.mark.parametrize(
    ("cell", "num_layers", "bidirectional"),
    list(itertools.product(TORCH, (1, 2, 3), (False, True))),
)
@pytest.mark.parametrize("ragged", [False, True])
def test_outputs_state_and_gradients_equal_torch(cell, num_layers, bidirectional, ragged):
    backbone = RecurrentBackbone(5, cell, 7, num_layers, bidirectional)
    reference = TORCH[cell](5, 7, num_layers, batch_first=True, bidirectional=bidirectional)
    reference.load_state_dict(backbone.rnn.state_dict())
    x_BTF, lengths_B = torch.randn(4, 9, 5), torch.tensor([9, 1, 4, 6])
    state = random_state(backbone, 4)
    weight_BTH = torch.randn(4, 9, backbone.output_size)
    results = []
    for module in (backbone, reference):
        x = x_BTF.clone().requires_grad_()
        if module is backbone:
            h_BTH, last = module(x, lengths_B if ragged else None, state)
        elif ragged:
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths_B, batch_first=True, enforce_sorted=False
            )
            h_packed, last = module(packed, state)
            h_BTH, _ = nn.utils.rnn.pad_packed_sequence(h_packed, batch_first=True)
        else:
            h_BTH, last = module(x, state)
        loss = (h_BTH * weight_BTH).sum() + sum(part.square().sum() for part in tensors(last))
        loss.backward()
        grads = [parameter.grad for parameter in module.parameters()]
        results.append([h_BTH, *tensors(last), x.grad, *grads])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_relu_rnn_equals_torch():
    backbone = RecurrentBackbone(3, "rnn", 4, activation="relu")
    reference = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
    reference.load_state_dict(backbone.rnn.state_dict())
    x_BTF = torch.randn(2, 6, 3)
    torch.testing.assert_close(backbone(x_BTF)[0], reference(x_BTF)[0])


def relu_gru_by_hand(x_BTF: Tensor, h_BH: Tensor, weights: list[Tensor]) -> Tensor:
    W_ih, W_hh, b_ih, b_hh = (weight.chunk(3) for weight in weights)
    outputs = []
    for x_BF in x_BTF.unbind(1):
        r = torch.sigmoid(x_BF @ W_ih[0].T + b_ih[0] + h_BH @ W_hh[0].T + b_hh[0])
        z = torch.sigmoid(x_BF @ W_ih[1].T + b_ih[1] + h_BH @ W_hh[1].T + b_hh[1])
        n = torch.relu(x_BF @ W_ih[2].T + b_ih[2] + r * (h_BH @ W_hh[2].T + b_hh[2]))
        h_BH = (1 - z) * n + z * h_BH
        outputs.append(h_BH)
    return torch.stack(outputs, dim=1)


def test_relu_gru_equals_its_equations():
    backbone = RecurrentBackbone(3, "gru", 5, activation="relu")
    weights = list(backbone.parameters())
    h_BH = torch.randn(4, 5)
    results = []
    for ours in (True, False):
        x_BTF = torch.linspace(-2, 2, 4 * 7 * 3).view(4, 7, 3).requires_grad_()
        start_BH = h_BH.clone().requires_grad_()
        if ours:
            h_BTH, last = backbone(x_BTF, state=start_BH.unsqueeze(0))
            torch.testing.assert_close(last[0], h_BTH[:, -1])
        else:
            h_BTH = relu_gru_by_hand(x_BTF, start_BH, weights)
        grads = torch.autograd.grad(h_BTH.square().sum(), [x_BTF, start_BH, *weights])
        results.append([h_BTH, *grads])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_relu_gru_gradients_are_those_of_finite_differences():
    shapes = [(5, 2, 3), (2, 4), (12, 3), (12, 4), (12,), (12,)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(ReluGRUFunction.apply, inputs)


def test_relu_gru_stacks_and_runs_both_ways():
    backbone = RecurrentBackbone(3, "gru", 4, 2, True, activation="relu")
    x_BTF = torch.randn(2, 6, 3)
    features_BTF, zeros_BH = x_BTF, torch.zeros(2, 4)
    forward, backward = range(2)
    for layer in range(2):
        weights = backbone.rnn.all_weights[2 * layer : 2 * layer + 2]
        ahead = relu_gru_by_hand(features_BTF, zeros_BH, weights[forward])
        back = relu_gru_by_hand(features_BTF.flip(1), zeros_BH, weights[backward]).flip(1)
        features_BTF = torch.cat([ahead, back], dim=2)
    torch.testing.assert_close(backbone(x_BTF)[0], features_BTF, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("cell", "activation"), VARIANTS)
def test_mixed_precision_trains(cell, activation):
    backbone = RecurrentBackbone(3, cell, 4, 2, activation=activation)
    x_BTF, lengths_B = torch.randn(2, 6, 3), torch.tensor([6, 2])
    with torch.autocast("cpu", torch.bfloat16):
        h_BTH, _ = backbone(x_BTF, lengths_B)
    h_BTH.float().sum().backward()
    torch.testing.assert_close(h_BTH.float(), backbone(x_BTF, lengths_B)[0], atol=0.02, rtol=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_of_another_precision_is_converted(cell):
    backbone, x_BTF = RecurrentBackbone(3, cell, 8), torch.randn(9, 6, 3)
    _, state = backbone(x_BTF)
    rounded = torch.utils._pytree.tree_map(lambda part: part.detach().bfloat16(), state)
    expected = torch.utils._pytree.tree_map(lambda part: part.float(), rounded)
    torch.testing.assert_close(backbone(x_BTF, None, rounded), backbone(x_BTF, None, expected))
    with torch.autocast("cpu", torch.bfloat16):
        h_BTH, _ = backbone(x_BTF, None, rounded)
    torch.testing.assert_close(
        h_BTH.float(), backbone(x_BTF, None, expected)[0], atol=0.02, rtol=0.02
    )


@pytest.mark.parametrize(("cell", "activation"), VARIANTS)
def test_backbone_survives_pickle_and_copy(cell, activation):
    backbone = RecurrentBackbone(3, cell, 4, 2, activation=activation)
    x_BTF, lengths_B = torch.randn(2, 6, 3), torch.tensor([6, 2])
    for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert torch.equal(twin(x_BTF, lengths_B)[0], backbone(x_BTF, lengths_B)[0])


def test_parameter_names_are_torchs():
    names = dict(RecurrentBackbone(3, "gru", 4, 2, True).named_parameters())
    theirs = nn.GRU(3, 4, 2, bidirectional=True).state_dict()
    assert list(names) == [f"rnn.{name}" for name in theirs]
    assert names["rnn.weight_ih_l1_reverse"].shape == (12, 8)


def test_lstm_forget_gate_starts_open():
    backbone = RecurrentBackbone(3, "lstm", 4, 2, True)
    for _, _, bias_ih, bias_hh in backbone.rnn.all_weights:
        assert (bias_ih[4:8] == 1).all()
        assert (bias_hh[4:8] == 0).all()
        others = torch.cat([bias_ih[:4], bias_ih[8:], bias_hh[:4], bias_hh[8:]])
        assert others.abs().max() <= 0.5
        assert bias_ih.requires_grad


def test_dropout_acts_between_layers_in_training_only():
    backbone = RecurrentBackbone(3, "lstm", 32, 2, dropout=0.5)
    x_BTF, lengths_B = torch.randn(2, 6, 3), torch.tensor([6, 2])
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(backbone(x_BTF, lengths_B)[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    backbone.eval()
    assert torch.equal(backbone(x_BTF, lengths_B)[0], backbone(x_BTF, lengths_B)[0])
    expected = torch.stack([backbone(x_BTF[:, :2])[0][1], backbone(x_BTF, lengths_B)[0][1, :2]])
    torch.testing.assert_close(expected[0], expected[1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": "gro"}, "backbone.cell='gro': choose one of gru, lstm, rnn, min_gru"),
        ({"hidden_size": 0}, "backbone.hidden_size=0: needs a whole number of at least 1"),
        ({"hidden_size": 2.5}, "backbone.hidden_size=2.5"),
        ({"num_layers": -1}, "backbone.num_layers=-1"),
        ({"input_size": True}, "backbone.input_size=True"),
        ({"dropout": 1.0, "num_layers": 2}, "backbone.dropout=1.0: needs a number with 0 <="),
        ({"dropout": float("nan"), "num_layers": 2}, "backbone.dropout=nan"),
        ({"dropout": "a", "num_layers": 2}, "backbone.dropout='a'"),
        ({"dropout": 0.1}, "backbone.dropout=0.1 has no effect with num_layers=1"),
        ({"activation": "elu"}, "backbone.activation='elu': with backbone.cell=gru choose one of"),
        ({"cell": "lstm", "activation": "relu"}, "with backbone.cell=lstm choose one of tanh"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(UserError) as error:
        RecurrentBackbone(**{"input_size": 3, **options})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, 0, 2], "lengths[1]=0: a sequence here has 1 to 4 steps"),
        ([3, 1, 5], "lengths[2]=5"),
        ([-1, 1, 5], "lengths[0]=-1"),
        ([3, 1], "lengths of shape (2,)"),
        ([3.0, 1.0, 2.0], "torch.float32"),
    ],
)
def test_bad_lengths_name_the_row(lengths, words):
    with pytest.raises(UserError) as error:
        RecurrentBackbone(2, hidden_size=3)(torch.randn(3, 4, 2), torch.tensor(lengths))
    assert words in str(error.value)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 0, 2)])
def test_bad_input_shape_is_told(shape):
    with pytest.raises(UserError, match=r"needs \(batch, time steps, 2\) with at least one step"):
        RecurrentBackbone(2, hidden_size=3)(torch.zeros(shape))


def test_bad_state_is_told():
    h_LBH = torch.zeros(1, 3, 5)
    with pytest.raises(UserError, match=r"state of shapes \[\(1, 3, 5\)\]: the backbone needs"):
        RecurrentBackbone(2, "lstm", 5)(torch.zeros(3, 4, 2), state=h_LBH)
    with pytest.raises(UserError, match=r"needs \[\(1, 4, 5\)\]"):
        RecurrentBackbone(2, "gru", 5)(torch.zeros(4, 4, 2), state=h_LBH)


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_the_whole_sequence(cell: str, inference: bool):
    backbone, x_BTF = RecurrentBackbone(4, cell, 20, 2), torch.randn(3, 12, 4)
    whole_BTH, last = backbone(x_BTF)
    state, steps = None, []
    with torch.inference_mode(inference):
        for x_BF in x_BTF.unbind(1):
            h_BH, state = backbone.step(x_BF, state)
            steps.append(h_BH)
    torch.testing.assert_close(torch.stack(steps, 1), whole_BTH)
    torch.testing.assert_close(state, last)


def test_hooks_run_at_each_step():
    backbone = RecurrentBackbone(3, "gru", 4)
    seen = []
    handle = backbone.register_forward_hook(lambda *arguments: seen.append(arguments[1][0].shape))
    x_BF = torch.randn(2, 3)
    with torch.no_grad():
        hooked, _ = backbone.step(x_BF)
        handle.remove()
        plain, _ = backbone.step(x_BF)
    assert seen == [(2, 1, 3)]
    torch.testing.assert_close(hooked, plain)


def test_bidirectional_refuses_to_step():
    with pytest.raises(UserError, match=r"backbone\.bidirectional=True"):
        RecurrentBackbone(2, bidirectional=True).step(torch.zeros(1, 2))
