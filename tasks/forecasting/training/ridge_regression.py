"""Ridge regression by normal equations: many penalties and lookbacks from one pass over the data.

Shapes: R rows and F features of a regression, O its outputs, K chosen features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Penalty per row, for features of about unit variance: at 1 it weighs as much as the data.
ALPHAS = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


class NormalEquations:
    """Sums of products over rows, in float64: sufficient for fits and their errors."""

    def __init__(self, num_features: int, num_outputs: int) -> None:
        self.gram_FF = torch.zeros(num_features, num_features, dtype=torch.float64)
        self.cross_FO = torch.zeros(num_features, num_outputs, dtype=torch.float64)
        self.target_squares_O = torch.zeros(num_outputs, dtype=torch.float64)
        self.rows = 0

    def add(self, x_RF: Tensor, y_RO: Tensor) -> None:
        """Add rows of features and outputs."""
        x_RF, y_RO = x_RF.double(), y_RO.double()
        # numpy exploits that this product is symmetric; torch does not.
        self.gram_FF += torch.from_numpy(x_RF.numpy().T @ x_RF.numpy())
        self.cross_FO.addmm_(x_RF.T, y_RO)
        self.target_squares_O += y_RO.square().sum(0)
        self.rows += len(x_RF)


@dataclass(frozen=True)
class RidgeFit:
    """The ridge regression with the least error on the selection rows.

    Attributes:
        lookback: chosen past steps.
        alpha: chosen penalty, per row.
        weight_FO: weights in float32, 0 for features that were not chosen.
    """

    lookback: int
    alpha: float
    weight_FO: Tensor


def select_ridge(
    train: NormalEquations,
    selection: NormalEquations,
    lookbacks: Sequence[int],
    width: Callable[[int], int],
    num_levels: int,
) -> RidgeFit:
    """Choose lookback and penalty: every lookback, then the best one without the levels.

    Penalties are searched by hill climbing. Columns are levels, bias, covariates that belong to any
    lookback, then past steps backwards from the latest.

    Args:
        train: rows of the fits.
        selection: rows that choose, by mean squared error.
        lookbacks: candidates, rising.
        width: columns up to a lookback.
        num_levels: number of levels, which a fit may leave out.
    """
    best, best_error, best_step = None, float("inf"), len(ALPHAS) // 2
    for lookback in [*lookbacks, *([0] if num_levels else [])]:
        first = 0 if lookback else num_levels
        steps = lookback or (best.lookback if best else lookbacks[-1])
        columns = slice(first, width(steps))
        errors: dict[int, float] = {}
        step: int | None = best_step
        while step is not None:
            weight_KO = _solve(train, columns, num_levels - first, ALPHAS[step])
            errors[step] = _error(selection, columns, weight_KO)
            if errors[step] < best_error or best is None:
                best_error, best_step = errors[step], step
                weight_FO = torch.zeros(train.cross_FO.shape)
                weight_FO[columns] = weight_KO.float()
                best = RidgeFit(steps, ALPHAS[step], weight_FO)
            # A lookback worse than the best one at its penalty is rarely better at another.
            step = _next_step(errors) if min(errors.values()) < 1.005 * best_error else None
    assert best is not None
    return best


def _next_step(errors: dict[int, float]) -> int | None:
    """Return an untried neighbour of the best penalty so far; None if both were tried."""
    lowest = min(errors, key=errors.__getitem__)
    nearby = [step for step in (lowest - 1, lowest + 1) if 0 <= step < len(ALPHAS)]
    return next((step for step in nearby if step not in errors), None)


def _solve(train: NormalEquations, columns: slice, bias: int, alpha: float) -> Tensor:
    """Return the weights (K, O) of some columns; the one at index ``bias`` is not penalized."""
    gram_KK = train.gram_FF[columns, columns].clone()
    penalty_K = torch.full_like(gram_KK[0], alpha * train.rows)
    penalty_K[bias] = 0
    gram_KK.diagonal().add_(penalty_K)
    return torch.cholesky_solve(train.cross_FO[columns], torch.linalg.cholesky(gram_KK))


def _error(selection: NormalEquations, columns: slice, weight_KO: Tensor) -> float:
    """Return the mean squared error of a fit, ``|y|^2 - 2 w'X'y + w'X'Xw`` per row and output."""
    twice_KO = selection.gram_FF[columns, columns] @ weight_KO - 2 * selection.cross_FO[columns]
    squared_O = selection.target_squares_O + (weight_KO * twice_KO).sum(0)
    return float(squared_O.mean()) / selection.rows
