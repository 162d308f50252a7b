"""The forecasting task: loss, metrics and plots around :class:`ForecastingModel`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.stages import in_fit

from .batches.forecast_batch import ForecastBatch, ForecastOutput
from .batches.windows import WindowSet
from .model import ForecastingModel
from .results.window_plots import plot_windows
from .training.interval_calibration import ValidationForecasts, WindowFactors
from .training.losses import observed_loss
from .training.metrics import ForecastMetrics, coverage_names
from .training.skip_fit import fit_skip


class ForecastingTask(SequenceTask):
    """A :class:`ForecastingModel` in training."""

    model_class = ForecastingModel
    model: ForecastingModel
    better: ClassVar[dict[str, str]] = {
        "mae": "min",
        "mse": "min",
        "mae_unit": "min",
        "mase": "min",
        "smape": "min",
        "wql": "min",
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        """Build the model; see :class:`SequenceTask` and :class:`ForecastingModel`."""
        super().__init__(*args, **options)
        model = self.model
        if len(model.network_levels) > 1 or model.calibration != "none":
            names = coverage_names(model.interval_levels)
            self.better = {**type(self).better, **dict.fromkeys(names, "none")}  # type: ignore[misc]
        self.scoring = {"quantiles": self._scored_levels, "adaptive": model.adaptive}
        self._collected = ValidationForecasts()
        self._factors = WindowFactors()

    @property
    def _scored_levels(self) -> list[float]:
        """Levels of the quantiles that are scored; none where the forecasts are single values."""
        levels = self.model.network_levels if in_fit(self) else self.model.levels
        return levels if len(levels) > 1 else []

    def warm_start(self, train: Iterable[ForecastBatch], val: Iterable[ForecastBatch]) -> None:
        """Fit ``skip=ridge`` on the training windows, its lookback and penalty on the others."""
        model = self.model
        if model.skip is not None and model.skip_kind == "ridge":
            parts = (map(model.skip_example, _first_windows(part)) for part in (train, val))
            fit_skip(model.skip, *parts)

    def loss(self, output: ForecastOutput, batch: ForecastBatch) -> Tensor:
        """Return the mean loss over the observed values of the horizon."""
        return observed_loss(self.model.loss_kind, self.model.levels, output, batch.truth_BPC)

    def new_metrics(self) -> Metric:
        """Return :class:`ForecastMetrics` with the model's quantiles."""
        return ForecastMetrics(self._scored_levels)

    def update_metrics(self, metrics: Metric, output: ForecastOutput, batch: ForecastBatch) -> None:
        """Add one batch, with calibrated quantiles outside of a fit."""
        if in_fit(self):
            self._collected.add(output, batch)
        else:
            output = self.model.finish(output, batch, self._factors.of(batch))
        metrics.update(output.point_BPC, output.quantiles_BPCQ, batch)

    # The intervals: calibrated on validation windows, adapted to the errors before test windows

    def on_validation_epoch_start(self) -> None:
        """Start the metrics, and to collect the forecasts of a fit."""
        if self.val_metrics.quantiles != self._scored_levels:
            self.val_metrics = self.new_metrics().to(self.device)
        super().on_validation_epoch_start()
        self._factors = WindowFactors()
        loaders = self.trainer.val_dataloaders
        self._collected = ValidationForecasts(len(loaders) if loaders is not None else 0)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics, and calibrate the intervals by the windows of a fit."""
        super().on_validation_epoch_end()
        if in_fit(self) and self.model.calibration != "none":
            fitted = self._collected.fit(self.model.interval_levels)
            if fitted is not None:
                self.model.fitted["calibration"] = fitted

    def on_test_epoch_start(self) -> None:
        """Start the metrics; compute the adapted factors of all windows of the data module."""
        if self.test_metrics.quantiles != self._scored_levels:
            self.test_metrics = self.new_metrics().to(self.device)
        super().on_test_epoch_start()
        self.scoring = {"quantiles": self._scored_levels, "adaptive": self.model.adaptive}
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        windows = getattr(data, "windows", {}).get("test")
        self._factors = WindowFactors()
        if windows is not None:
            # Those that are scored.
            count = sum(self.trainer.num_test_batches) * data.batch_size
            if count < len(windows):
                windows = windows.select(np.arange(count))
            self._factors = WindowFactors(windows, self.model.interval_factors(windows))

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot windows spread over the part: history, forecast, interval and truth."""
        windows = loader.dataset
        assert isinstance(windows, WindowSet)
        return [plot_windows(self.model, windows, folder / "forecasts.png")]


def _first_windows(batches: Iterable[ForecastBatch]) -> Iterator[ForecastBatch]:
    """Yield the batches of a loader, not all where windows are slow to gather."""
    limit = getattr(getattr(batches, "dataset", None), "max_fitted", None)
    count = 0
    for batch in batches:
        yield batch
        count += len(batch.origin_B)
        if limit is not None and count >= limit:
            return
