"""Forecasts of a network with calibrated intervals.

Shapes: B windows, W windows of a set, C targets, Q quantiles.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.nn.evaluation import evaluating

from ..batches.forecast_batch import ForecastBatch, ForecastOutput, InferenceWindow
from .finishing import calibrated, finished
from .forecasts import Forecasts

# It needs pandas, which a loaded model may never do.
if TYPE_CHECKING:
    from ..batches.windows import WindowSet


class CalibratedForecaster(SequenceModel):
    """A model whose ``forward`` gives the network's forecasts, and what makes them hold.

    Attributes:
        calibration: ``none``, ``split`` or ``adaptive``.
        network_levels: quantile levels of the network's output; ``[0.5]`` for single values.
        interval_levels: quantile levels of calibrated forecasts.
    """

    calibration: str
    network_levels: list[float]
    interval_levels: list[float]

    @property
    def levels(self) -> list[float]:
        """Quantile levels of the forecasts; ``[0.5]`` where they are single values."""
        return self.interval_levels if self._fitted is not None else self.network_levels

    @property
    def adaptive(self) -> bool:
        """Whether the intervals depend on the errors of earlier forecasts."""
        return self.calibration == "adaptive" and self._fitted is not None

    @property
    def _fitted(self) -> dict[str, Any] | None:
        """The split calibration; None before a fit, and in checkpoints of before."""
        return self.fitted.get("calibration") if self.calibration != "none" else None

    def forecast(self, batch: ForecastBatch, factor_BCQ: Tensor | None = None) -> ForecastOutput:
        """Forecast a batch with calibrated intervals, in z-scored units.

        Args:
            batch: the windows.
            factor_BCQ: of adaptive intervals, from :meth:`interval_factors`.
        """
        return self.finish(self(batch), batch, factor_BCQ)

    def finish(
        self, output: ForecastOutput, batch: ForecastBatch, factor_BCQ: Tensor | None = None
    ) -> ForecastOutput:
        """Return the network's output for a batch calibrated and within the targets' bounds."""
        return finished(self._calibrated(output, batch), batch, self.schema, factor_BCQ)

    def _calibrated(self, output: ForecastOutput, batch: ForecastBatch) -> ForecastOutput:
        return calibrated(output, self._fitted, batch.series_B)

    def interval_factors(self, windows: "WindowSet") -> Tensor | None:
        """Return the factors of adaptive intervals from the rows before each window, (W, C, Q).

        None where the intervals are not adaptive.
        """
        found = self.interval_factors_of([windows])
        return None if found is None else found[0]

    @torch.inference_mode()
    def interval_factors_of(self, sets: "Sequence[WindowSet]") -> list[Tensor] | None:
        """Return :meth:`interval_factors` of several sets, whose earlier forecasts are batched."""
        if not self.adaptive:
            return None
        from .rolling_forecasts import adapted_sets

        def quantiles(batch: ForecastBatch) -> Tensor:
            batch = ForecastBatch(*(part.to(self.device) for part in batch))
            found = self._calibrated(self(batch), batch).quantiles_BPCQ
            assert found is not None
            return found

        with evaluating(self):
            return adapted_sets(quantiles, sets, self.levels, self.schema)

    @torch.inference_mode()
    def forecast_windows(
        self,
        batch: ForecastBatch,
        windows: list[InferenceWindow],
        factor_BCQ: Tensor | None = None,
    ) -> Forecasts:
        """Forecast the horizon of windows.

        Args:
            batch: the windows.
            windows: name and times of each.
            factor_BCQ: of adaptive intervals, from :meth:`interval_factors`.
        """
        dtype = next(self.parameters()).dtype
        if dtype != torch.float32:
            raise UserError(
                f"the model's weights are of {dtype}: forecasts are computed in float32, so that "
                "levels keep their digits; call model.float()"
            )
        with evaluating(self):
            batch_there = ForecastBatch(*(part.to(self.device) for part in batch))
            output = self.forecast(batch_there, factor_BCQ)
        values_BPCQ = output.quantiles_BPCQ
        if values_BPCQ is None:
            values_BPCQ = output.point_BPC[..., None]
        mean_B1C, std_B1C = batch.mean_BC[:, None], batch.std_BC[:, None]
        values_BPCQ = values_BPCQ.cpu() * std_B1C[..., None] + mean_B1C[..., None]
        history_BTC = batch.target_BTC * std_B1C + mean_B1C
        return Forecasts.of(
            self.schema, self.levels, windows, values_BPCQ.numpy(), history_BTC.numpy()
        )
