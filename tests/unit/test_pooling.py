"""Pooling sees the valid steps and nothing else."""

import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.pooling import POOLINGS, Pooling

# Shapes: B batch, T time steps, H output features.


@pytest.mark.parametrize("kind", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_row_equals_the_row_pooled_alone(kind, bidirectional):
    pooling = Pooling(kind, 6, bidirectional)
    h_BTH, lengths_B = torch.randn(4, 5, 6), torch.tensor([5, 1, 3, 2])
    pooled_BH = pooling(h_BTH, lengths_B)
    assert pooled_BH.shape == (4, 6)
    for row, length in enumerate(lengths_B.tolist()):
        alone_BH = pooling(h_BTH[row : row + 1, :length])
        torch.testing.assert_close(pooled_BH[row], alone_BH[0])


@pytest.mark.parametrize("kind", POOLINGS)
def test_nan_in_padding_reaches_neither_result_nor_gradient(kind):
    pooling = Pooling(kind, 6)
    h_BTH = torch.randn(2, 4, 6)
    h_BTH[1, 2:] = torch.nan
    h_BTH.requires_grad_()
    pooled_BH = pooling(h_BTH, torch.tensor([4, 2]))
    pooled_BH.sum().backward()
    assert pooled_BH.isfinite().all()
    assert (h_BTH.grad[1, 2:] == 0).all()
    for tensor in (h_BTH, *pooling.parameters()):
        assert tensor.grad.isfinite().all()


def test_kinds_compute_what_they_say():
    h_BTH = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]]])
    lengths_B = torch.tensor([2])
    assert Pooling("last", 2)(h_BTH, lengths_B).tolist() == [[3, -2]]
    assert Pooling("last", 2, bidirectional=True)(h_BTH, lengths_B).tolist() == [[3, -4]]
    assert Pooling("mean", 2)(h_BTH, lengths_B).tolist() == [[2, -3]]
    assert Pooling("max", 2)(h_BTH, lengths_B).tolist() == [[3, -2]]
    attention = Pooling("attention", 2)
    torch.nn.init.zeros_(attention.score.weight)
    torch.testing.assert_close(attention(h_BTH, lengths_B), torch.tensor([[2.0, -3.0]]))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_bidirectional_summary_is_the_final_state_of_both_passes(cell):
    backbone = RecurrentBackbone(3, cell, 4, 2, bidirectional=True)
    lengths_B = torch.tensor([5, 1, 3])
    h_BTH, state = backbone(torch.randn(3, 5, 3), lengths_B)
    h_LBH = state[0] if cell == "lstm" else state
    summary_BH = Pooling("last", backbone.output_size, bidirectional=True)(h_BTH, lengths_B)
    torch.testing.assert_close(summary_BH, torch.cat([h_LBH[-2], h_LBH[-1]], dim=1))


def test_unknown_kind_is_named():
    with pytest.raises(UserError, match="pooling='sum': choose one of last, mean, max, attention"):
        Pooling("sum", 4)
