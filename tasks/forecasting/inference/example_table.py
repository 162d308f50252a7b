"""An example of a table that a trained forecaster takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..reading.zone import zone_of

_FIRST_DAY = "2030-01-07"


def example_table(schema: Mapping[str, Any]) -> "pd.DataFrame | None":
    """Return a series of the model's columns, a sine on the scale of the training data.

    Args:
        schema: of the model.

    Returns:
        The lookback, and where there are future covariates the horizon too; None where times stand
        in several columns, of which many formats are in use.
    """
    time_column = schema["time_column"]
    if isinstance(time_column, list):
        return None
    lookback, horizon = int(schema["lookback"]), int(schema["horizon"])
    steps = lookback + (horizon if schema["future_covariates"] else 0)
    columns: dict[str, Any] = {}
    if time_column is not None:
        zone = zone_of(schema)
        tz = zone.name if zone is not None and not zone.clock else None
        columns[time_column] = pd.date_range(
            _FIRST_DAY, periods=steps, freq=schema["frequency"], tz=tz
        )
    name, scale = next(iter(schema["target_scale"].items()))
    if schema["id_column"] is not None:
        columns[schema["id_column"]] = name
    for role in ("past_covariates", "future_covariates", "static_covariates"):
        columns |= {each: _covariate(schema, each) for each in schema[role]}
    season = schema["season_length"] or max(2, lookback // 4)
    wave = np.sin(2 * np.pi * np.arange(steps) / season)
    wave[lookback:] = np.nan
    for number, target in enumerate(schema["targets"]):
        mean, std = scale["mean"][number], scale["std"][number]
        columns[target] = [float(f"{mean + 0.5 * std * value:.5g}") for value in wave]
    return pd.DataFrame(columns)


def _covariate(schema: Mapping[str, Any], name: str) -> Any:
    if name in schema["categories"]:
        levels = schema["categories"][name]
        return levels[0] if levels else None
    return float(f"{schema['covariate_scale'][name][0]:.5g}")
