"""Times of the steps of series on a grid, computed where they are asked for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frequency import Frequency, Int64

Times = NDArray[np.datetime64]


class GridTimes:
    """The time of every flat step, as an array of datetime64[ns] that takes no memory."""

    def __init__(self, first_ns_S: Int64, offsets: Int64, frequency: Frequency) -> None:
        """Set the first time of each series, its first flat step (and the end), and the step."""
        self.first_ns_S, self.offsets, self.frequency = first_ns_S, offsets, frequency

    def __len__(self) -> int:
        """Return the number of flat steps."""
        return int(self.offsets[-1])

    def __getitem__(self, index: Any) -> Times:
        """Return the times at a slice or at an array of flat steps."""
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        flat = np.asarray(index)
        series = np.searchsorted(self.offsets, flat, side="right") - 1
        return self.at(series, flat - self.offsets[series])

    def at(self, series: Int64, position: Int64) -> Times:
        """Return the times of steps counted from the first of their series."""
        shape = np.broadcast_shapes(np.shape(series), np.shape(position))
        first_ns = np.broadcast_to(self.first_ns_S[series], shape).ravel()
        steps = np.broadcast_to(position, shape).ravel()
        found = self.frequency.times(first_ns, steps).reshape(shape)
        return np.ascontiguousarray(found).view("datetime64[ns]")

    def min(self) -> Any:
        """Return the earliest time."""
        return self.first_ns_S.min().astype("datetime64[ns]")

    def max(self) -> Any:
        """Return the latest time."""
        return self[self.offsets[1:] - 1].max()
