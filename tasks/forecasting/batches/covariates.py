"""Encoding of covariate columns, learned from the training part.

Numeric columns are z-scored; a missing value becomes 0 (the mean), with an indicator column if the
training part had missing values there. Categorical columns are one-hot encoded: the 64 most
frequent categories; any other is all zeros.
"""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError

from ..reading.frequency import Int64
from ..reading.tables import (
    category_column,
    describe_row,
    is_categorical,
    numeric_column,
    table_name,
)
from ..reading.time_grid import TimeGrid

MAX_CATEGORIES = 64


def take_rows(values: NDArray[np.float64], rows: Int64) -> NDArray[np.float64]:
    """Return the values at ``rows``, NaN for row -1."""
    return np.append(values, np.nan)[rows]


def mean_and_std(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and population standard deviation without NaN; 1 for that of a constant."""
    observed = values[~np.isnan(values)]
    if len(observed) == 0:
        return 0.0, 1.0
    mean, std = float(observed.mean()), float(observed.std())
    return mean, std if std > 1e-10 * abs(mean) else 1.0


def fit_covariates(
    table: pd.DataFrame, rows: Int64, columns: list[str], categorical: list[str]
) -> tuple[dict[str, list[str]], dict[str, list[float]], list[str]]:
    """Learn the encoding of columns.

    Args:
        table: the table.
        rows: table rows of the training part, -1 for a step without a row.
        columns: covariates.
        categorical: numeric columns that are categorical.

    Returns:
        Categories by column, most frequent first; [mean, std] by numeric column; the numeric
        columns that get an indicator of missing values.
    """
    categories: dict[str, list[str]] = {}
    scale: dict[str, list[float]] = {}
    flags: list[str] = []
    for column in columns:
        if column in categorical or is_categorical(table, column):
            counts = Counter(
                value
                for value in category_column(table, column)[rows[rows >= 0]]
                if value is not None
            )
            ordered = sorted(counts, key=lambda name: (-counts[name], name))
            categories[column] = ordered[:MAX_CATEGORIES]
            continue
        # A step without a row needs no indicator: its targets are missing too and masked.
        values = numeric_column(table, column)[rows[rows >= 0]]
        scale[column] = list(mean_and_std(values))
        if np.isnan(values).any():
            flags.append(column)
    return categories, scale, flags


def features_size(columns: list[str], schema: dict[str, Any]) -> int:
    """Return the number of features of encoded columns."""
    sizes = (
        len(schema["categories"].get(name, [0])) + (name in schema["missing_flags"])
        for name in columns
    )
    return sum(sizes)


def encode(
    table: pd.DataFrame, rows: Int64, columns: list[str], schema: dict[str, Any]
) -> NDArray[np.float32]:
    """Encode columns at the given rows, shape (rows, features); row -1 is all missing."""
    features = np.zeros((len(rows), features_size(columns, schema)), dtype=np.float32)
    feature = 0
    for column in columns:
        if column in schema["categories"]:
            levels = schema["categories"][column]
            codes = pd.Index(levels, dtype=object).get_indexer(
                pd.Index(category_column(table, column), dtype=object)
            )
            codes = np.append(codes, -1)[rows]
            known = np.flatnonzero(codes >= 0)
            features[known, feature + codes[known]] = 1
            feature += len(levels)
            continue
        values = take_rows(numeric_column(table, column), rows)
        missing = np.isnan(values)
        mean, std = schema["covariate_scale"][column]
        features[:, feature] = np.where(missing, 0, (values - mean) / std)
        feature += 1
        if column in schema["missing_flags"]:
            features[:, feature] = missing
            feature += 1
    return features


def first_row_of_series(grid: TimeGrid) -> Int64:
    """Return the first table row of each series, from which static covariates are read."""
    return grid.rows[grid.offsets[:-1]]


def check_static_covariates(table: pd.DataFrame, grid: TimeGrid, columns: list[str]) -> None:
    """Raise UserError if a static covariate changes within a series."""
    rows, series = grid.rows[grid.rows >= 0], grid.series_of_step[grid.rows >= 0]
    for column in columns:
        values = category_column(table, column)
        changes = values[rows] != values[first_row_of_series(grid)][series]
        if changes.any():
            row = int(rows[changes.argmax()])
            raise UserError(
                f"{describe_row(table, row)}, column {column!r}: found {values[row]!r} in a series "
                f"that began with {values[first_row_of_series(grid)[series[changes.argmax()]]]!r}\n"
                "a static covariate has one value a series; name it in data.past_covariates or "
                "data.future_covariates"
            )


def check_future_covariates(
    table: pd.DataFrame, grid: TimeGrid, columns: list[str], schema: dict[str, Any], horizon: int
) -> None:
    """Raise UserError unless each series has future covariates over the last ``horizon`` steps.

    Values may be missing only in columns with missing values in training.
    """
    if not columns:
        return
    rows_SP = grid.rows.reshape(len(grid.names), -1)[:, -horizon:]
    found = (rows_SP >= 0).sum(axis=1)
    if (found < horizon).any():
        worst = int(found.argmin())
        raise UserError(
            f"{table_name(table)}: series {grid.names[worst]!r} has {found[worst]} rows after its"
            f" last observed target, needs {horizon} (the horizon)\n"
            f"with values of {', '.join(columns)} and the target left empty"
        )
    for column in columns:
        if column in schema["categories"] or column in schema["missing_flags"]:
            continue
        missing = np.isnan(numeric_column(table, column)[rows_SP.ravel()])
        if missing.any():
            row = int(rows_SP.ravel()[missing.argmax()])
            raise UserError(
                f"{describe_row(table, row)}, column {column!r}: a future covariate is missing in "
                f"the horizon ({int(missing.sum())} such rows); training had no missing value there"
            )
