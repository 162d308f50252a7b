"""Comparison of an exported model with the model on the same inputs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gru_suite.model.export.errors import ExportError
from gru_suite.model.export.module import ExportModule

TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 5)

Runner = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""From the inputs of an exported model to its outputs."""


class Check(NamedTuple):
    """The result of a comparison.

    Attributes:
        difference: the largest one, absolute, or relative to the largest output where that is
            above 1.
        cases: the sizes compared, ``(sequences, time steps)``.
    """

    difference: float
    cases: list[tuple[int, int]]


def compare(module: ExportModule, run: Runner, seed: int = 0) -> Check:
    """Compare an export with the model at several batch sizes and numbers of steps.

    Args:
        module: the model.
        run: the export.
        seed: of the random inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    cases = [(rows, steps) for steps in module.steps for rows in BATCH_SIZES]
    worst = 0.0
    for rows, steps in cases:
        inputs = module.examples(rows, steps, generator)
        with torch.inference_mode():
            expected = as_tuple(module.reference(*inputs))
        worst = max(worst, difference(expected, run(inputs)))
    return Check(worst, cases)


def require_equal(module: ExportModule, run: Runner) -> Check:
    """Compare an export with the model.

    Raises:
        ExportError: the difference is larger than ``TOLERANCE``.
    """
    return within_tolerance(compare(module, run))


def within_tolerance(check: Check) -> Check:
    """Return the check if the difference is small.

    Raises:
        ExportError: the difference is larger than ``TOLERANCE``.
    """
    if not check.difference <= TOLERANCE:
        raise ExportError(
            f"the export differs from the checkpoint: the largest difference is "
            f"{check.difference:.2g}, at most {TOLERANCE:g} is accepted; nothing was written"
        )
    return check


def difference(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """Return the largest difference of outputs; infinite where shapes or missing values differ."""
    worst = 0.0
    for want, have in zip(expected, found, strict=True):
        want, have = want.double(), have.double()
        if want.shape != have.shape or not torch.equal(want.isnan(), have.isnan()):
            return float("inf")
        if want.numel():
            scale = want.nan_to_num().abs().max().clamp(min=1)
            worst = max(worst, float((want - have).nan_to_num(0).abs().max() / scale))
    return worst


def as_tuple(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return a module's outputs as a tuple."""
    return (found,) if isinstance(found, Tensor) else tuple(found)
