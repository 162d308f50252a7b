"""Forecasts as named arrays, as a table, or as panels of a figure.

Shapes: B series, T lookback steps, P horizon steps, C targets, Q quantiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch, InferenceWindow

if TYPE_CHECKING:
    import pandas as pd

    from ..batches.windows import WindowSet


MAX_PANELS = 6
"""Panels of a figure."""


class ForecastPanel(NamedTuple):
    """One forecast in a figure, in the target's own unit; NaN leaves a gap.

    Attributes:
        title: which series and target.
        history_time_T: times (datetime64) or step numbers.
        history_T: observed values.
        forecast_time_P: times or step numbers, after those of the history.
        forecast_P: median or mean forecast.
        lower_P: lower end of the interval, or None without one.
        upper_P: upper end.
        truth_P: observed values of the horizon, or None.
    """

    title: str
    history_time_T: NDArray[Any]
    history_T: NDArray[Any]
    forecast_time_P: NDArray[Any]
    forecast_P: NDArray[Any]
    lower_P: NDArray[Any] | None = None
    upper_P: NDArray[Any] | None = None
    truth_P: NDArray[Any] | None = None


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one or many series, in the targets' own units; each item is that of one series.

    Attributes:
        targets: names of the C targets.
        quantiles: the Q levels; ``[0.5]`` for a point forecast.
        windows: name, and times of lookback and horizon, of each series (step numbers without
            times).
        id_column: name of the series' column in the training data, or None.
        time_column: name of the time column, or None.
        values_BPCQ: the forecasts.
        history_BTC: the lookbacks, NaN where a value is missing.
        left_out: reason of each series of the input that is too short to be forecast, by its name.
    """

    targets: list[str]
    quantiles: list[float]
    windows: list[InferenceWindow]
    id_column: str | None
    time_column: str | None
    values_BPCQ: NDArray[np.float32]
    history_BTC: NDArray[np.float32]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        schema: Mapping[str, Any],
        levels: Sequence[float],
        windows: list[InferenceWindow],
        values_BPCQ: NDArray[np.float32],
        history_BTC: NDArray[np.float32],
    ) -> "Forecasts":
        """Return forecasts with the names that a schema gives their columns."""
        times = schema["time_column"]
        return cls(
            targets=list(schema["targets"]),
            quantiles=list(levels),
            windows=windows,
            id_column=schema["id_column"],
            time_column=times[0] if isinstance(times, list) else times,
            values_BPCQ=values_BPCQ,
            history_BTC=history_BTC,
        )

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.windows)

    def __getitem__(self, index: int) -> "Forecasts":
        """Return the forecast of one series."""
        rows = slice(index, index + 1 or None)
        return replace(
            self,
            windows=[self.windows[index]],
            values_BPCQ=self.values_BPCQ[rows],
            history_BTC=self.history_BTC[rows],
        )

    def __iter__(self) -> Iterator["Forecasts"]:
        """Yield the forecast of each series."""
        return (self[index] for index in range(len(self)))

    @property
    def point_BPC(self) -> NDArray[np.float32]:
        """The median, or the point forecast of a model without quantiles."""
        median: NDArray[np.float32] = self.values_BPCQ[..., len(self.quantiles) // 2]
        return median

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each series and step: id, time, ``<target>``, ``<target>_q<level>``.

        Times are of the zone of the input, if it had one.
        """
        import pandas as pd

        blocks = []
        for index, window in enumerate(self.windows):
            columns: dict[str, Any] = {}
            if self.id_column:
                columns[self.id_column] = window.series
            zone, times = window.zone, window.future_time
            columns[self.time_column or "step"] = times if zone is None else zone.aware(times)
            for c, target in enumerate(self.targets):
                columns[target] = self.point_BPC[index, :, c]
                if len(self.quantiles) > 1:
                    for q, level in enumerate(self.quantiles):
                        columns[f"{target}_q{level:g}"] = self.values_BPCQ[index, :, c, q]
            blocks.append(pd.DataFrame(columns))
        return pd.concat(blocks, ignore_index=True)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns of :meth:`to_frame` as plain lists, times as ISO 8601, for JSON."""
        table = self.to_frame()
        times = table.columns[1 if self.id_column else 0]
        if self.time_column:
            table[times] = [time.isoformat() for time in table[times]]
        return {str(name): column.tolist() for name, column in table.items()}

    def panels(self) -> list[ForecastPanel]:
        """Return the first few forecasts as panels of a figure."""
        pairs = list(product(range(len(self.windows)), range(len(self.targets))))[:MAX_PANELS]
        return [self.panel(b, c) for b, c in pairs]

    def panel(
        self,
        index: int,
        target: int,
        truth_P: NDArray[Any] | None = None,
    ) -> ForecastPanel:
        """Return one series' forecast of one target as a panel of a figure."""
        window, values_PQ = self.windows[index], self.values_BPCQ[index, :, target]
        has_interval = len(self.quantiles) > 1
        name = self.targets[target]
        return ForecastPanel(
            title=f"{window.series}: {name}" if self.id_column else name,
            history_time_T=window.clock(window.past_time),
            history_T=self.history_BTC[index, :, target],
            forecast_time_P=window.clock(window.future_time),
            forecast_P=values_PQ[:, len(self.quantiles) // 2],
            lower_P=values_PQ[:, 0] if has_interval else None,
            upper_P=values_PQ[:, -1] if has_interval else None,
            truth_P=truth_P,
        )


def describe_left_out(left_out: Mapping[str, str]) -> str:
    """Return a sentence on the series that are too short to be forecast; names the first ten."""
    first = [f"{name} ({reason})" for name, reason in list(left_out.items())[:10]]
    more = f", and {len(left_out) - 10} more" if len(left_out) > 10 else ""
    return f"left out {len(left_out)} series that are too short: {', '.join(first)}{more}"


class WindowForecaster(Protocol):
    """A model that forecasts the horizon of windows."""

    schema: dict[str, Any]

    @property
    def adaptive(self) -> bool:
        """Whether its intervals depend on the errors of earlier forecasts."""

    @property
    def name(self) -> str:
        """The task's name."""

    @property
    def levels(self) -> list[float]:
        """Quantile levels of the forecasts."""

    def interval_factors(self, windows: "WindowSet") -> Tensor | None:
        """Return the factors of adaptive intervals, None where they are not adaptive."""

    def forecast_windows(
        self,
        batch: ForecastBatch,
        windows: list[InferenceWindow],
        factor_BCQ: Tensor | None = None,
    ) -> Forecasts:
        """Forecast the horizon of windows."""
