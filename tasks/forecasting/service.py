"""The forecaster's use over a network: tables in, forecasts out."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gru_suite.errors import UserError
from gru_suite.model.service.service import Service, kind_of
from gru_suite.model.service.streams import ModelStreams, ServiceStreams

from .batches.inference_windows import InferenceWindows, inference_windows
from .inference.adaptive_intervals import memory_steps
from .inference.forecasts import Forecasts
from .reading.tables import read_table

if TYPE_CHECKING:
    from .model import ForecastingModel

_MAX_COLUMNS = 2_000
# Of a whole number: what a float of 64 bits can be.
_MAX_BITS = 1000
_FORMS = '{"csv": "..."}, {"columns": {"name": [...]}} or {"rows": [{"name": ...}]}'


class TableInput(NamedTuple):
    """A checked table.

    Attributes:
        name: of the file it comes from.
        windows: the last window of each series.
        columns: those that the model uses, and those that it ignores.
    """

    name: str
    windows: InferenceWindows
    columns: dict[str, list[str]]


class ForecastingService(Service[Any, TableInput]):
    """Tables in, forecasts of all series in them out."""

    model: "ForecastingModel"

    input_kind = "table"
    output_kind = "forecast"
    suffixes = (".csv", ".tsv", ".parquet", ".xlsx")
    step_kind = "segment"

    def inputs(self) -> dict[str, Any]:
        """Return the columns, the frequency and the numbers of steps."""
        schema = self.model.schema
        roles = ("past_covariates", "future_covariates", "static_covariates")
        time = schema["time_column"]
        frequency = schema.get("frequency")
        return {
            "targets": list(schema["targets"]),
            **{role: list(schema[role]) for role in roles},
            "time_column": time[0] if isinstance(time, list) else time,
            "id_column": schema["id_column"],
            "frequency": None if frequency is None else str(frequency),
            "lookback": int(schema["lookback"]),
            "min_lookback": int(schema.get("min_lookback", schema["lookback"])),
            "horizon": int(schema["horizon"]),
        }

    def outputs(self) -> dict[str, Any]:
        """Return the targets and the levels of the quantiles."""
        schema = self.model.schema
        return {
            "targets": list(schema["targets"]),
            "quantiles": list(self.model.levels),
            "horizon": int(schema["horizon"]),
        }

    def example(self) -> Any:
        """Return a table of the model's columns: sine waves on the training data's scale."""
        from .inference.example_table import example_table

        table = example_table(self.model.schema)
        return None if table is None else {"csv": table.to_csv(index=False)}

    def read(self, value: Any) -> TableInput:
        """Return the windows of a table given as CSV, columns or rows.

        Raises:
            UserError: it is none of these, too large, or its columns do not fit.
        """
        return self._input(self._table(value), "table")

    def read_file(self, path: Path, name: str) -> TableInput:
        """Return the windows of a table file.

        Raises:
            UserError: it cannot be read, is too large, or its columns do not fit.
        """
        is_table = self.model.schema["layout"] == "table"
        return self._input(read_table(path) if is_table else path, name)

    def _table(self, value: Any) -> pd.DataFrame:
        if not isinstance(value, dict) or len(value) != 1 or value.keys() - _READERS.keys():
            found = (
                f"keys {', '.join(map(str, value))}" if isinstance(value, dict) else kind_of(value)
            )
            raise UserError(f"a table as {found[:200] or 'nothing'}: needs {_FORMS}")
        ((form, content),) = value.items()
        try:
            table = _READERS[form](content)
        except UserError:
            raise
        except (ValueError, TypeError, OverflowError, csv.Error) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"the table cannot be read from {form}: {reason}") from None
        self.limits.check_rows(*table.shape)
        if table.shape[1] > _MAX_COLUMNS:
            raise UserError(f"a table of {table.shape[1]:,} columns: at most {_MAX_COLUMNS:,}")
        _check_cells(table)
        return table

    def _input(self, table: pd.DataFrame | Path, name: str) -> TableInput:
        if isinstance(table, pd.DataFrame):
            self.limits.check_rows(*table.shape)
        schema = self.model.schema
        memory = memory_steps(schema["horizon"]) if self.model.adaptive else 0
        windows = inference_windows(table, schema, memory)
        known = _known_columns(schema)
        names = [] if isinstance(table, Path) else [str(each) for each in table.columns]
        columns = {
            "used": [each for each in names if each in known],
            "ignored": [each for each in names if each not in known],
        }
        return TableInput(name, windows, columns)

    def predict(self, items: Sequence[TableInput]) -> list[dict[str, Any]]:
        """Return the forecasts of tables, all series in one batch."""
        found = self.model.forecast_tables([item.windows for item in items])
        results, first = [], 0
        for item in items:
            count = len(item.windows.names)
            results.append(
                {
                    "name": item.name,
                    "series": [series_as_json(found, row) for row in range(first, first + count)],
                    "left_out": item.windows.left_out,
                    "columns": item.columns,
                }
            )
            first += count
        return results

    def streams(self) -> ServiceStreams:
        """Return streams of rows, a series each."""
        return ModelStreams(
            self.model.stream(0),
            self.live_chunk,
            lambda chunks: pd.concat(chunks, ignore_index=True),
            _row_as_json,
        )

    def live_chunk(self, message: Any) -> pd.DataFrame:
        """Return further rows of a series, as :meth:`read` takes a table.

        Raises:
            UserError: they are none.
        """
        return self._table(message)


def series_as_json(found: Forecasts, row: int) -> dict[str, Any]:
    """Return history and forecast of a series as plain data, times in ISO 8601."""
    window = found.windows[row]
    targets = {}
    for number, target in enumerate(found.targets):
        values_PQ = found.values_BPCQ[row, :, number]
        targets[target] = {
            "past": _numbers(found.history_BTC[row, :, number]),
            "forecast": _numbers(values_PQ[:, len(found.quantiles) // 2]),
            "quantiles": {
                f"{level:g}": _numbers(values_PQ[:, index])
                for index, level in enumerate(found.quantiles)
            }
            if len(found.quantiles) > 1
            else {},
        }
    zone = window.zone
    return {
        "name": str(window.series),
        "past_time": _times(window.past_time, zone),
        "time": _times(window.future_time, zone),
        "targets": targets,
    }


def _row_as_json(found: Forecasts, row: int) -> dict[str, Any]:
    return {"series": [series_as_json(found, row)]}


def _numbers(values_T: Any) -> list[float | None]:
    values = np.asarray(values_T, np.float64)
    # The digits of float32, so that answers stay short.
    plain = [float(f"{value:.7g}") for value in values.tolist()]
    if np.isfinite(values).all():
        return list(plain)
    return [value if np.isfinite(value) else None for value in plain]


def _times(times: Any, zone: Any) -> list[Any]:
    if not np.issubdtype(np.asarray(times).dtype, np.datetime64):
        return [int(each) for each in times]
    if zone is not None:
        return [None if pd.isna(each) else each.isoformat() for each in zone.aware(times)]
    texts = np.datetime_as_string(np.asarray(times, "datetime64[s]")).tolist()
    return [None if text == "NaT" else text for text in texts]


def _known_columns(schema: dict[str, Any]) -> set[str]:
    roles = ("targets", "past_covariates", "future_covariates", "static_covariates")
    known = {str(name) for role in roles for name in schema[role]}
    for key in ("time_column", "id_column"):
        given = schema[key]
        known |= set(map(str, given if isinstance(given, list) else [given]))
    return known


def _check_cells(table: pd.DataFrame) -> None:
    for place, (column, dtype) in enumerate(table.dtypes.items()):
        # Texts have a type of their own; by place, as names may repeat.
        is_object = pd.api.types.is_object_dtype(dtype)
        for row, value in enumerate(table.iloc[:, place] if is_object else ()):
            if isinstance(value, list | dict):
                found = f"an {kind_of(value)}"
            elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
                found = f"a whole number of {value.bit_length():,} bits"
            else:
                continue
            raise UserError(
                f"column {str(column)[:80]!r}, row {row + 1}: found {found}; a cell holds a "
                "number, a text or nothing"
            )


def _from_csv(content: Any) -> pd.DataFrame:
    if not isinstance(content, str) or not content.strip():
        raise UserError(f"csv as {kind_of(content)}: needs the text of a CSV file with a header")
    first = content.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    return pd.read_csv(StringIO(content), sep=delimiter)


def _from_columns(content: Any) -> pd.DataFrame:
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise UserError(f"columns as {kind_of(content)}: needs an array for each name")
    return pd.DataFrame(content)


def _from_rows(content: Any) -> pd.DataFrame:
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise UserError(f"rows as {kind_of(content)}: needs an array of objects")
    return pd.DataFrame(content)


_READERS = {"csv": _from_csv, "columns": _from_columns, "rows": _from_rows}
