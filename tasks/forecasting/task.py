"""The forecasting task: loss, metrics and plots around :class:`ForecastingModel`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.training.sequence_task import SequenceTask

from .batches.forecast_batch import ForecastBatch, ForecastOutput
from .batches.windows import WindowSet
from .model import ForecastingModel
from .results.window_plots import plot_windows
from .training.losses import observed_loss
from .training.metrics import ForecastMetrics
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
        "coverage_80": "none",
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        """Build the model; see :class:`SequenceTask` and :class:`ForecastingModel`."""
        super().__init__(*args, **options)
        self.scoring = {"quantiles": self._quantiles}

    @property
    def _quantiles(self) -> list[float]:
        """Levels of the quantile forecasts; none where the model gives single values."""
        levels = self.model.levels
        return levels if len(levels) > 1 else []

    def warm_start(self, train: Iterable[ForecastBatch], val: Iterable[ForecastBatch]) -> None:
        """Fit ``skip=ridge`` on the training windows, its lookback and penalty on the others."""
        model = self.model
        if model.skip is not None and model.skip_kind == "ridge":
            fit_skip(model.skip, map(model.skip_example, train), map(model.skip_example, val))

    def loss(self, output: ForecastOutput, batch: ForecastBatch) -> Tensor:
        """Return the mean loss over the observed values of the horizon."""
        return observed_loss(self.model.loss_kind, self.model.levels, output, batch.truth_BPC)

    def new_metrics(self) -> Metric:
        """Return :class:`ForecastMetrics` with the model's quantiles."""
        return ForecastMetrics(self._quantiles)

    def update_metrics(self, metrics: Metric, output: ForecastOutput, batch: ForecastBatch) -> None:
        """Add one batch."""
        metrics.update(output.point_BPC, output.quantiles_BPCQ, batch)

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot windows spread over the part: history, forecast, interval and truth."""
        windows = loader.dataset
        assert isinstance(windows, WindowSet)
        return [plot_windows(self.model, windows, folder / "forecasts.png")]
