"""minGRU against its equations written out step by step."""

import pytest
import torch
from torch import Tensor

from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells import min_gru
from gru_suite.nn.cells.min_gru import MinGRU, Scan, scan
from gru_suite.nn.cells.native.library import kernel

# Shapes: B batch, T time steps, F input features, H hidden units.


def by_hand(x_BTF: Tensor, h_BH: Tensor, weight_GF: Tensor, bias_G: Tensor) -> Tensor:
    W_z, W_h = weight_GF.chunk(2)
    b_z, b_h = bias_G.chunk(2)
    outputs = []
    for x_BF in x_BTF.unbind(1):
        z = torch.sigmoid(x_BF @ W_z.T + b_z)
        u = x_BF @ W_h.T + b_h
        n = torch.where(u >= 0, u + 0.5, torch.sigmoid(u))
        h_BH = (1 - z) * h_BH + z * n
        outputs.append(h_BH)
    return torch.stack(outputs, dim=1)


# Of float32 the kernel runs, of float64 the scan in torch.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden_size", [5, 37, 64])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 17, 64])
def test_outputs_and_gradients_equal_the_equations(num_steps, hidden_size, dtype):
    backbone = RecurrentBackbone(3, "min_gru", hidden_size).to(dtype)
    x_BTF = torch.randn(3, num_steps, 3, dtype=dtype, requires_grad=True)
    state = torch.rand(1, 3, hidden_size, dtype=dtype, requires_grad=True)
    weights = list(backbone.parameters())
    weight_BTH = torch.randn(3, num_steps, hidden_size, dtype=dtype)
    grads = []
    outputs = []
    for run in (
        lambda: backbone(x_BTF, None, state)[0],
        lambda: by_hand(x_BTF, state[0], *weights),
    ):
        h_BTH = run()
        outputs.append(h_BTH)
        grads.append(torch.autograd.grad((h_BTH * weight_BTH).sum(), [*weights, x_BTF, state]))
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*grads)


def test_the_scans_gradient_is_its_derivative_twice():
    torch.manual_seed(0)
    keep, new = torch.rand(2, 7, 3, dtype=torch.double), torch.randn(2, 7, 3, dtype=torch.double)
    inputs = (keep.requires_grad_(), new.requires_grad_())
    assert torch.autograd.gradcheck(Scan.apply, inputs)
    assert torch.autograd.gradgradcheck(Scan.apply, inputs)


def test_long_scans_lose_no_digits():
    keep, new = torch.rand(1, 5000, 4), torch.randn(1, 5000, 4)
    exact = scan(keep.double(), new.double())
    torch.testing.assert_close(scan(keep, new).double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(kernel() is None, reason="the kernel was not built")
def test_the_kernel_equals_the_scan(monkeypatch):
    torch.manual_seed(0)
    backbone = RecurrentBackbone(6, "min_gru", 50, 2, bidirectional=True)
    x_BTF, lengths_B = torch.randn(40, 30, 6), torch.randint(1, 31, (40,))
    found = []
    for serves in (True, False):
        monkeypatch.setattr(min_gru, "runs_min_gru", lambda sums_BTG, serves=serves: serves)
        backbone.zero_grad()
        h_BTH, last = backbone(x_BTF, lengths_B)
        (h_BTH.square().sum() + last.sum()).backward()
        found.append([h_BTH, last, *(parameter.grad for parameter in backbone.parameters())])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_it_has_no_recurrent_weights():
    backbone = RecurrentBackbone(7, "min_gru", 11)
    assert [name for name, _ in backbone.named_parameters()] == [
        "rnn.weight_ih_l0",
        "rnn.bias_ih_l0",
    ]


def test_it_is_batch_first():
    with pytest.raises(ValueError, match="batch first"):
        MinGRU(2, 3, 1, batch_first=False)
