"""Chunks of a stream as checked tensors.

Shapes: S inputs.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_suite.errors import UserError


def as_inputs(raw: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a chunk of one stream as a tensor, shape (S, *shape).

    Args:
        raw: an array, a tensor or nested tuples of numbers.
        shape: of one input.
        dtype: of the result; integers are converted to float, floats not to integers.

    Raises:
        UserError: not numeric, of another shape or dtype, or not finite.
    """
    try:
        given = raw.detach() if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))
    except TypeError:
        raise UserError(
            f"a chunk of type {type(raw).__name__}: needs an array of numbers"
        ) from None
    needed = f"(inputs, {', '.join(map(str, shape))})" if shape else "(inputs,)"
    fits = given.dim() == 1 + len(shape) and tuple(given.shape[1:]) == shape
    if (
        not fits
        or given.is_complex()
        or (given.is_floating_point() and not dtype.is_floating_point)
    ):
        raise UserError(
            f"a chunk of shape {tuple(given.shape)} and {given.dtype}: needs {needed} of {dtype}"
        )
    if given.is_floating_point() and not bool(given.isfinite().all()):
        raise UserError("a chunk holds NaN or infinity: needs finite numbers")
    return given.to("cpu", dtype)
