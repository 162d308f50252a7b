"""The time zone of a table's times.

Times with a zone or an offset are compared in UTC, so that a day on which clocks change has its 23
or 25 hours. Days and longer steps are counted on the calendar instead, where every day has one.

pandas is imported where it is used: a loaded model may never read a table.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


class Zone(NamedTuple):
    """The time zone of a table.

    Attributes:
        name: of the tz database, or an offset such as ``+01:00``.
        calendar: times are counted on the local calendar; else they are UTC.
        clock: the table has clock times without zone or offset.
    """

    name: str
    calendar: bool = False
    clock: bool = False

    def local(self, times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Return the clock times of times of a grid, datetime64[ns]."""
        if self.calendar:
            return times
        import pandas as pd

        index = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(self.name)
        local: NDArray[np.datetime64] = index.tz_localize(None).as_unit("ns").to_numpy()
        return local

    def aware(self, times: NDArray[np.datetime64]) -> "pd.DatetimeIndex":
        """Return times of a grid with the zone."""
        import pandas as pd

        index = pd.DatetimeIndex(times)
        if self.calendar:
            # The first of two midnights, and what follows one that is skipped.
            first = np.ones(len(index), np.bool_)
            return index.tz_localize(self.name, ambiguous=first, nonexistent="shift_forward")
        return index.tz_localize("UTC").tz_convert(self.name)

    def from_local(self, times: "pd.DatetimeIndex") -> NDArray[np.datetime64]:
        """Return clock times, such as borders of a split, as times of a grid."""
        if self.calendar:
            return times.to_numpy()
        first = np.ones(len(times), np.bool_)
        aware = times.tz_localize(self.name, ambiguous=first, nonexistent="shift_forward")
        utc: NDArray[np.datetime64] = (
            aware.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy()
        )
        return utc


def zone_of(schema: Mapping[str, Any]) -> Zone | None:
    """Return the zone of a schema; None where the times have none."""
    found = schema.get("zone")
    return None if found is None else Zone(**found)
