"""Fit of the linear skip by ridge regression."""

from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from ..network.inputs import NetworkInput
from ..network.linear_skip import LinearSkip
from .ridge_regression import NormalEquations, select_ridge

Examples: TypeAlias = Iterable[tuple[NetworkInput, Tensor]]
"""Batches of inputs and their targets, (R, P, V)."""


@torch.no_grad()
def fit_skip(skip: LinearSkip, train: Examples, selection: Examples) -> None:
    """Set the weights of a linear skip to those of a ridge regression.

    Args:
        skip: its weights are replaced.
        train: rows of the fit; a row with a missing target (NaN) is left out.
        selection: rows that choose lookback and penalty; if empty, ``train`` chooses.
    """
    fitted, chosen = _normal_equations(skip, train), _normal_equations(skip, selection)
    if not fitted.rows:
        return
    chosen = chosen if chosen.rows else fitted
    fit = select_ridge(fitted, chosen, skip.lookbacks, skip.width, skip.num_values)
    skip.weight_FO.copy_(fit.weight_FO)


def _normal_equations(skip: LinearSkip, examples: Examples) -> NormalEquations:
    equations = NormalEquations(*skip.weight_FO.shape)
    for inputs, target_RPV in examples:
        complete_R = ~target_RPV.isnan().flatten(1).any(1)
        equations.add(skip.features(inputs)[complete_R], target_RPV[complete_R].flatten(1))
    return equations
