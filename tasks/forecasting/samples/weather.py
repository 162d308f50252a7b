"""Embedded data: hourly weather at three New York airports in 2013."""

import gzip
from importlib import resources

import numpy as np
import pandas as pd

# Two impossible readings of the published table (a wind of 1,048 mph, and temperatures in degrees
# Celsius); samples/PROVENANCE.md shows the rows around them.
_IMPOSSIBLE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("EWR", "2013-02-12T08:00", ("wind_speed",)),
    ("JFK", "2013-05-09T02:00", ("temp", "dewp", "humid")),
)


def load_weather() -> pd.DataFrame:
    """Return the weather table, one row a station and hour (26,115 rows, long form).

    Columns: ``origin`` (station EWR, JFK or LGA), ``time`` (UTC, no zone attached), ``temp`` and
    ``dewp`` (temperature and dew point, degrees Fahrenheit), ``humid`` (relative humidity, %),
    ``wind_dir`` (degrees), ``wind_speed`` (mph), ``precip`` (inches), ``pressure`` (sea level,
    millibars), ``visib`` (visibility, miles). Added: ``wind_north`` and ``wind_east``, the
    components of the wind (mph), since a direction of 359 degrees is next to 1. Missing readings
    are NaN, as are two impossible ones; 75 hours have no row.
    """
    packed = resources.files(__package__) / "weather.csv.gz"
    with packed.open("rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as lines:
        numbers = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
        table = pd.read_csv(lines, dtype=dict.fromkeys(numbers, np.float64))
    times = pd.to_datetime(table["time"], utc=True, format="%Y-%m-%dT%H:%M:%SZ")
    # Nanoseconds in every pandas version; pandas 3 infers a coarser unit.
    table["time"] = times.dt.tz_localize(None).astype("datetime64[ns]")
    for origin, time, columns in _IMPOSSIBLE:
        row = (table["origin"] == origin) & (table["time"] == pd.Timestamp(time))
        table.loc[row, list(columns)] = np.nan
    angle = np.deg2rad(table["wind_dir"])
    table["wind_north"] = table["wind_speed"] * np.cos(angle)
    table["wind_east"] = table["wind_speed"] * np.sin(angle)
    return table
