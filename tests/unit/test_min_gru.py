"""minGRU against its equations written out step by step."""

import pytest
import torch
from torch import Tensor

from gru_suite.nn.backbone import RecurrentBackbone, count_parameters
from gru_suite.nn.cells.min_gru import MinGRU, Scan, scan

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


@pytest.mark.parametrize("num_steps", [1, 2, 3, 17, 64])
def test_outputs_and_gradients_equal_the_equations(num_steps):
    backbone = RecurrentBackbone(3, "min_gru", 5)
    x_BTF, state = torch.randn(2, num_steps, 3), torch.rand(1, 2, 5)
    weights = list(backbone.parameters())
    weight_BTH = torch.randn(2, num_steps, 5)
    grads = []
    outputs = []
    for run in (
        lambda: backbone(x_BTF, None, state)[0],
        lambda: by_hand(x_BTF, state[0], *weights),
    ):
        h_BTH = run()
        outputs.append(h_BTH)
        grads.append(torch.autograd.grad((h_BTH * weight_BTH).sum(), weights))
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


def test_it_has_no_recurrent_weights():
    backbone = RecurrentBackbone(7, "min_gru", 11)
    assert [name for name, _ in backbone.named_parameters()] == [
        "rnn.weight_ih_l0",
        "rnn.bias_ih_l0",
    ]
    assert count_parameters(7, "min_gru", 11) == 2 * 11 * (7 + 1)


def test_it_is_batch_first():
    with pytest.raises(ValueError, match="batch first"):
        MinGRU(2, 3, 1, batch_first=False)
