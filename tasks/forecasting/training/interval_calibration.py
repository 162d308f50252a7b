"""Forecasts collected for the calibration of intervals, and factors of test windows.

Shapes: N validation windows, W test windows, B windows of a batch, P horizon steps, C targets, Q
quantiles.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch, ForecastOutput
from ..batches.windows import WindowSet
from ..inference.split_calibration import fit_split

# Evenly spaced batches are kept where there are more values.
_MAX_VALUES = 20_000_000


class ValidationForecasts:
    """Forecasts of a validation epoch, with their truth."""

    def __init__(self, num_batches: int = 0) -> None:
        """Start an epoch of a number of batches."""
        self._num_batches, self._seen = num_batches, 0
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, output: ForecastOutput, batch: ForecastBatch) -> None:
        """Add a batch, or leave it out where there are too many."""
        found = output.quantiles_BPCQ
        found = output.point_BPC[..., None] if found is None else found
        every = -(-found.numel() * self._num_batches // _MAX_VALUES)
        if self._seen % max(every, 1) == 0:
            parts = (found, batch.truth_BPC, batch.series_B)
            self._parts.append(tuple(each.detach().cpu() for each in parts))  # type: ignore[arg-type]
        self._seen += 1

    def fit(self, levels: Sequence[float]) -> dict[str, Any] | None:
        """Return the calibration by the windows of all processes; None without windows."""
        batches: list[list[Any]] = [[part.numpy() for part in parts] for parts in self._parts]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # Also a process without windows takes part.
            gathered: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(gathered, batches)
            # Each process has every n-th batch.
            batches = [each for turn in zip_longest(*gathered) for each in turn if each is not None]
        if not batches:
            return None
        found = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
        return fit_split(found[0], found[1], found[2], levels)


class WindowFactors:
    """Factors of adaptive intervals by series and origin of a window."""

    def __init__(self, windows: WindowSet | None = None, factor_WCQ: Tensor | None = None) -> None:
        """Set the factors of windows; None for none."""
        self._factor_WCQ = factor_WCQ
        if windows is not None and factor_WCQ is not None:
            series_W = torch.from_numpy(windows.series.number_S)[windows.series_W]
            # Origins are below this number.
            self._span = int(windows.origins_W.max()) + 1 if len(windows) else 1
            keys, self._order = (series_W * self._span + windows.origins_W).sort()
            self._keys = keys

    def of(self, batch: ForecastBatch) -> Tensor | None:
        """Return the factors of a batch, shape (B, C, Q)."""
        if self._factor_WCQ is None:
            return None
        key_B = (batch.series_B * self._span + batch.origin_B).cpu()
        found = self._factor_WCQ[self._order[torch.searchsorted(self._keys, key_B)]]
        return found.to(batch.truth_BPC)
