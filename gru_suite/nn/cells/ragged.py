"""Blanking, reversing and reading right-padded sequences by their lengths.

Shapes: B batch, T time steps, F features, H hidden units.
"""

import torch
from torch import Tensor

from gru_suite.errors import UserError


def all_valid(lengths_B: Tensor, batch_size: int, num_steps: int) -> bool:
    """Check lengths and return whether every sequence fills all time steps.

    Args:
        lengths_B: valid steps of each sequence.
        batch_size: sequences in the batch.
        num_steps: time steps in the batch, padding included.

    Raises:
        UserError: not one integer for each sequence, or one outside 1..num_steps; names the first
            such row.
    """
    if lengths_B.shape != (batch_size,) or lengths_B.is_floating_point():
        raise UserError(
            f"lengths of shape {tuple(lengths_B.shape)} and {lengths_B.dtype} for a batch of "
            f"{batch_size}: give one integer for each sequence"
        )
    if batch_size == 0:
        return True
    shortest, longest = torch.stack(torch.aminmax(lengths_B)).tolist()
    if shortest < 1 or longest > num_steps:
        row = int(((lengths_B < 1) | (lengths_B > num_steps)).nonzero()[0])
        raise UserError(
            f"lengths[{row}]={int(lengths_B[row])}: a sequence here has 1 to {num_steps} steps"
        )
    return bool(shortest == num_steps)


class RaggedBatch:
    """The valid steps of a batch; without lengths all steps are valid."""

    def __init__(self, x_BTF: Tensor, lengths_B: Tensor | None) -> None:
        """Compute the indices of the flattened batch.

        Args:
            x_BTF: any tensor of the batch, for its sizes and device.
            lengths_B: valid steps of each sequence, 1..T; None means that all T are valid.
        """
        self.padding_BT1: Tensor | None = None
        if lengths_B is None:
            return
        B, T = x_BTF.shape[:2]
        steps_T = torch.arange(T, device=x_BTF.device)
        lengths_B1 = lengths_B.to(x_BTF.device, torch.int64).unsqueeze(1)
        padding_BT = steps_T >= lengths_B1
        first_rows_B1 = (torch.arange(B, device=x_BTF.device) * T).unsqueeze(1)
        reversed_BT = torch.where(padding_BT, steps_T, lengths_B1 - 1 - steps_T)
        self.padding_BT1 = padding_BT.unsqueeze(2)
        self._last_rows_B = (first_rows_B1 + lengths_B1 - 1).flatten()
        self._reversed_rows = (first_rows_B1 + reversed_BT).flatten()

    def blank(self, x_BTF: Tensor) -> Tensor:
        """Return the batch with zeros at padding."""
        return x_BTF if self.padding_BT1 is None else x_BTF.masked_fill(self.padding_BT1, 0.0)

    def flip(self, x_BTF: Tensor) -> Tensor:
        """Return the batch with the valid steps of each sequence reversed, padding in place."""
        if self.padding_BT1 is None:
            return x_BTF.flip(1)
        return x_BTF.flatten(0, 1).index_select(0, self._reversed_rows).view_as(x_BTF)

    def last(self, h_BTH: Tensor) -> Tensor:
        """Return the hidden state at each sequence's last valid step, shape (1, B, H)."""
        if self.padding_BT1 is None:
            return h_BTH[:, -1].unsqueeze(0)
        return h_BTH.flatten(0, 1).index_select(0, self._last_rows_B).unsqueeze(0)
