"""Pooling of hidden states over time.

Shapes: B batch, T time steps (right-padded), H output features of the backbone.
"""

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError

POOLINGS = ("last", "mean", "max", "attention")


class Pooling(nn.Module):
    """Pooling over the valid steps of each sequence.

    - ``last``: the last valid step; bidirectional: the forward pass's last step beside the backward
      pass's first, the steps at which each pass has seen the whole sequence.
    - ``mean``, ``max``: of each feature over the valid steps.
    - ``attention``: a weighted mean with weights ``softmax(u . tanh(W h + b))`` over the valid
      steps, learned (Yang et al. 2016, https://aclanthology.org/N16-1174).
    """

    def __init__(self, kind: str, output_size: int, bidirectional: bool = False) -> None:
        """Build the layers.

        Args:
            kind: one of ``POOLINGS``.
            output_size: features of a hidden state, the backbone's ``output_size``.
            bidirectional: whether the first half of the features is a forward pass and the second a
                backward pass.

        Raises:
            UserError: ``kind`` is not in ``POOLINGS``.
        """
        super().__init__()
        if kind not in POOLINGS:
            raise UserError(f"pooling={kind!r}: choose one of {', '.join(POOLINGS)}")
        self.kind, self.output_size = kind, output_size
        self.forward_size = output_size // 2 if bidirectional else output_size
        if kind == "attention":
            self.project = nn.Linear(output_size, output_size)
            self.score = nn.Linear(output_size, 1, bias=False)

    def forward(self, h_BTH: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Return one vector per sequence, shape (B, H); values at padding do not change it.

        Args:
            h_BTH: hidden states of the backbone.
            lengths_B: valid steps of each sequence, 1..T; None means that all T are valid.
        """
        if self.kind == "last":
            return self._last(h_BTH, lengths_B)
        if lengths_B is None:
            lengths_B = torch.full(h_BTH.shape[:1], h_BTH.size(1), device=h_BTH.device)
        lengths_B1 = lengths_B.to(h_BTH.device).unsqueeze(1)
        steps_T = torch.arange(h_BTH.size(1), device=h_BTH.device)
        padding_BT1 = (steps_T >= lengths_B1).unsqueeze(2)
        if self.kind == "max":
            return h_BTH.masked_fill(padding_BT1, -torch.inf).amax(dim=1)
        h_BTH = h_BTH.masked_fill(padding_BT1, 0.0)
        if self.kind == "mean":
            return h_BTH.sum(dim=1) / lengths_B1
        score_BT1 = self.score(torch.tanh(self.project(h_BTH)))
        weight_BT1 = score_BT1.masked_fill(padding_BT1, -torch.inf).softmax(dim=1)
        pooled_BH: Tensor = (weight_BT1 * h_BTH).sum(dim=1)
        return pooled_BH

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        """Return the state before the first step: tensors whose first axis is the batch."""
        if self.kind == "last":
            return {}
        summary_BH = torch.zeros(batch_size, self.output_size)
        if self.kind == "max":
            return {"highest": summary_BH.fill_(-torch.inf)}
        zero_B1 = summary_BH[:, :1].clone()
        if self.kind == "mean":
            return {"mean": summary_BH, "count": zero_B1.long()}
        # The lowest number, not minus infinity, whose difference is NaN.
        lowest_B1 = zero_B1 + torch.finfo(zero_B1.dtype).min
        return {"mean": summary_BH, "weight": zero_B1, "highest": lowest_B1}

    def advance(self, h_BTH: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the pooling of sequences that arrive in chunks, in one direction.

        Args:
            h_BTH: hidden states of the next steps, all valid.
            state: after the previous chunk; :meth:`initial_state` before the first.

        Returns:
            The vector of all steps so far, shape (B, H), equal to :meth:`forward` of the whole
            sequence, and the state for the next chunk, of the same size.
        """
        if self.kind == "last":
            return h_BTH[:, -1], state
        if self.kind == "max":
            highest_BH = torch.maximum(state["highest"], h_BTH.amax(dim=1))
            return highest_BH, {"highest": highest_BH}
        mean_BH = state["mean"]
        change_BTH = h_BTH - mean_BH.unsqueeze(1)
        if self.kind == "mean":
            count_B1 = state["count"] + h_BTH.size(1)
            mean_BH = mean_BH + change_BTH.sum(dim=1) / count_B1
            return mean_BH, {"mean": mean_BH, "count": count_B1}
        score_BT1 = self.score(torch.tanh(self.project(h_BTH)))
        # Weights are relative to the maximum so far, or they would overflow.
        highest_B1 = torch.maximum(state["highest"], score_BT1.amax(dim=1))
        new_BT1 = (score_BT1 - highest_B1.unsqueeze(1)).exp()
        weight_B1 = state["weight"] * (state["highest"] - highest_B1).exp() + new_BT1.sum(dim=1)
        mean_BH = mean_BH + (new_BT1 * change_BTH).sum(dim=1) / weight_B1
        return mean_BH, {"mean": mean_BH, "weight": weight_B1, "highest": highest_B1}

    def _last(self, h_BTH: Tensor, lengths_B: Tensor | None) -> Tensor:
        if lengths_B is None:
            last_BH = h_BTH[:, -1]
        else:
            index_B11 = (lengths_B.to(h_BTH.device, torch.int64) - 1).view(-1, 1, 1)
            last_BH = h_BTH.gather(1, index_B11.expand(-1, 1, h_BTH.size(2))).squeeze(1)
        if self.forward_size == h_BTH.size(2):
            return last_BH
        return torch.cat([last_BH[:, : self.forward_size], h_BTH[:, 0, self.forward_size :]], dim=1)
