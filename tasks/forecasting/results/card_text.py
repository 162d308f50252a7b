"""Limits and usage of a model for its card."""

import json
from collections.abc import Mapping
from typing import Any

from ..reading.zone import zone_of

_FIRST_DAY = "2024-01-01"
_MAX_NAMED = 5


def describe_limits(schema: Mapping[str, Any], channels_mixed: bool) -> list[str]:
    """Return the known limits of a model of this schema, a sentence each."""
    names = list(schema.get("target_scale", ()))
    targets = schema.get("targets", ())
    frequency = schema.get("frequency")
    lines = []
    if names:
        listed_names = ", ".join(names[:_MAX_NAMED]) + ", ..." * (len(names) > _MAX_NAMED)
        listed = f" ({listed_names})" if len(names) > 1 else ""
        lines.append(
            f"Trained with {len(names):,} series{listed} of {', '.join(targets)}; a series that "
            "was not among them is scaled by its own past, and was not evaluated."
        )
    if frequency is not None:
        lines.append(f"Made for steps of frequency {frequency}; tables of another are refused.")
    lines.append(
        f"Forecasts {schema['horizon']} steps from {schema['lookback']}; cycles longer than the "
        "lookback are seen only through the calendar and covariates, if at all."
    )
    if channels_mixed:
        lines.append("All targets are forecast together: each is needed.")
    if schema.get("future_covariates"):
        known = ", ".join(schema["future_covariates"])
        lines.append(f"{known} must be known for the horizon; errors in them were not simulated.")
    return lines


def usage_lines(schema: Mapping[str, Any]) -> list[str]:
    """Return Python lines that forecast from a table, its past a straight line."""
    time_column = schema.get("time_column")
    if "targets" not in schema or isinstance(time_column, list):
        # Times in two columns may have many formats.
        return ['# forecast = model.predict("table.csv").to_frame()']
    ahead = schema["horizon"] if schema["future_covariates"] else 0
    rows = schema["lookback"] + ahead
    first = next(iter(schema["target_scale"]))
    columns: dict[str, str] = {}
    if time_column is not None:
        freq = json.dumps(schema["frequency"])
        zone = zone_of(schema)
        tz = f', tz="{zone.name}"' if zone is not None and not zone.clock else ""
        columns[time_column] = f'pandas.date_range("{_FIRST_DAY}", periods={rows}, freq={freq}{tz})'
    if schema["id_column"] is not None:
        columns[schema["id_column"]] = json.dumps(first)
    for role in ("past_covariates", "future_covariates", "static_covariates"):
        columns |= {name: _covariate(schema, name) for name in schema[role]}
    for number, name in enumerate(schema["targets"]):
        scale = schema["target_scale"][first]
        low, high = (scale["mean"][number] + sign * scale["std"][number] for sign in (-1, 1))
        past = f"numpy.linspace({low:.6g}, {high:.6g}, {schema['lookback']})"
        columns[name] = f"numpy.append({past}, [None] * {ahead})" if ahead else past
    return [
        "import numpy",
        "import pandas",
        "",
        f"# Your own: such a table, or a file of one, with {schema['lookback']} rows a series or "
        "more.",
        "table = pandas.DataFrame(",
        "    {",
        *(f"        {json.dumps(name)}: {value}," for name, value in columns.items()),
        "    }",
        ")",
        "print(model.predict(table).to_frame())",
    ]


def _covariate(schema: Mapping[str, Any], name: str) -> str:
    if name in schema["categories"]:
        levels = schema["categories"][name]
        return json.dumps(levels[0] if levels else None)
    return f"{schema['covariate_scale'][name][0]:.6g}"
