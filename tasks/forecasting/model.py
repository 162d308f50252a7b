"""The forecasting model: quantiles of the next values of one or many series.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.model.streaming.stream import Stream, StreamModule

from .batches.forecast_batch import ForecastBatch, ForecastOutput
from .inference.adaptive_intervals import memory_steps
from .inference.calibrated_forecaster import CalibratedForecaster
from .inference.export import ForecastExport
from .inference.forecasts import Forecasts, describe_left_out
from .network.decoders import DECODERS, EncodedPast
from .network.inputs import NetworkInput, Sizes, backbone_input, network_input, to_rows
from .network.layers import SegmentEncoder, WindowNormalizer
from .network.linear_skip import LinearSkip
from .network.options import check_choices, check_quantiles, choose_segment_size
from .results.card_text import describe_limits, usage_lines

# What needs pandas is imported where it is called: a loaded model may never read a table.
if TYPE_CHECKING:
    import pandas as pd

    from .batches.inference_windows import InferenceWindows

    Table = pd.DataFrame | str | Path


class ForecastingModel(CalibratedForecaster):
    """Forecast the next ``horizon`` steps of every target from the last ``lookback`` ones.

    The encoder cuts the past into segments of ``segment_size`` steps, the backbone runs over the
    segments, a decoder gives features for each segment of the horizon and the head turns them into
    values (SegRNN, Lin et al. 2023, arXiv 2308.11200, with ``decoder=parallel``).
    """

    name: ClassVar[str] = "forecasting"
    service_class: ClassVar[str] = "gru_suite.tasks.forecasting.service:ForecastingService"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        loss: str = "quantile",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        normalization: str = "level",
        channels: str = "independent",
        relative_covariates: bool = True,
        segment_size: int | None = None,
        decoder: str = "parallel",
        input_dropout: float = 0.3,
        head_dropout: float = 0.3,
        skip: str = "ridge",
        calibration: str = "adaptive",
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack; ``hidden_size`` is also the size of a
                segment's embedding.
            schema: description of the training data: sizes, names, scales.
            loss: what a forecast minimizes: ``quantile`` (pinball loss) gives one at each of
                ``quantiles``; ``mse``, ``mae`` and ``huber``, on z-scored values, a single one.
            quantiles: rising levels, symmetric about a median of 0.5; of a single forecast those
                of its calibrated intervals.
            normalization: how a window's level is removed: ``last_value``, ``level``, ``revin``,
                ``standard`` or ``none`` (see :class:`WindowNormalizer`).
            channels: ``independent`` (every target is forecast from its own past by shared
                weights) or ``mixed`` (all targets together).
            relative_covariates: subtract their last value from the backbone's past covariates.
            segment_size: steps in a segment, 1 to lookback; 1 gives the backbone every step, None
                takes a season where it is shorter than the lookback.
            decoder: ``parallel`` (all horizon segments at once), ``recursive`` (one segment after
                the other, each fed the one before) or ``direct`` (one linear map from the last
                state to the whole horizon).
            input_dropout: share of the encoder's inputs set to 0 in training, 0 to below 1.
            head_dropout: share of features dropped before the head, 0 to below 1.
            skip: a linear map past the backbone: ``none``, ``trained`` with the rest, or ``ridge``:
                a regression in closed form, its lookback and penalty chosen on validation data,
                whose residuals the backbone learns (see :class:`LinearSkip`).
            calibration: of the quantiles: ``none``, ``split`` (conformal, on validation windows;
                see :mod:`.inference.split_calibration`), or ``adaptive``: then also by the errors
                of the forecasts before (see :mod:`.inference.adaptive_intervals`).

        Raises:
            UserError: an option has a value that cannot work.
        """
        check_choices(loss, normalization, channels, decoder, skip, calibration)
        interval_levels = check_quantiles(quantiles)
        levels = interval_levels if loss == "quantile" else [0.5]
        if backbone.get("bidirectional") and decoder != "direct":
            raise UserError(
                f"backbone.bidirectional=true with task.decoder={decoder}: the horizon is decoded "
                "from a forward state; use task.decoder=direct"
            )
        independent = channels == "independent"
        segment_size = choose_segment_size(segment_size, schema)
        sizes = Sizes.of(schema, independent, segment_size, len(levels))
        # A direct decoder on single steps needs no embedding: the backbone takes the values.
        embedded = decoder != "direct" or segment_size > 1
        input_size = backbone.get("hidden_size", 128) if embedded else sizes.num_features
        super().__init__(backbone, input_size, schema)
        self.loss_kind, self.skip_kind, self.calibration = loss, skip, calibration
        self.network_levels, self.interval_levels = levels, interval_levels
        self.independent, self.masked = independent, sizes.masked
        self.relative_covariates = relative_covariates
        self.input_dropout = nn.Dropout(input_dropout)
        self.normalizer = WindowNormalizer(
            normalization, schema["num_targets"], schema["season_length"] or 1
        )
        self.encoder = (
            SegmentEncoder(sizes.num_features, segment_size, input_size)
            if embedded
            else nn.Identity()
        )
        self.decoder = DECODERS[decoder](sizes, self.backbone, head_dropout)
        self.skip: LinearSkip | None = None
        if skip != "none":
            sizes = sizes.with_slow_cycles(schema["slow_size"])
            self.skip = LinearSkip(sizes, schema["lookback"], trained=skip == "trained")
        if skip == "ridge":
            # The backbone starts from the regression, not from noise on top of it.
            for parameter in self.decoder.head.projection.parameters():
                nn.init.zeros_(parameter)

    def forward(self, batch: ForecastBatch) -> ForecastOutput:
        """Forecast a batch of windows, in z-scored units."""
        window = self.normalizer(batch.target_BTC, batch.mean_BC, batch.std_BC)
        inputs = network_input(batch, window, self.independent, self.masked)
        reduced = backbone_input(inputs, self.schema, self.relative_covariates)
        h_RTH, state = self.backbone(self.encoder(self.input_dropout(reduced.x_RLF)))
        out_RPVQ = self.decoder(self.backbone, self.encoder, EncodedPast(h_RTH, state, reduced))
        if self.skip is not None:
            out_RPVQ = out_RPVQ + self.skip(inputs)[..., None]
        if self.independent:
            num_targets = batch.target_BTC.size(-1)
            out_RPVQ = out_RPVQ.squeeze(2).unflatten(0, (-1, num_targets)).transpose(1, 2)
        quantiles_BPCQ = self.normalizer.undo(out_RPVQ, window)
        return ForecastOutput(
            quantiles_BPCQ[..., len(self.network_levels) // 2],
            quantiles_BPCQ if len(self.network_levels) > 1 else None,
        )

    def skip_example(self, batch: ForecastBatch) -> tuple[NetworkInput, Tensor]:
        """Return the linear skip's inputs for a batch and its normalized truth, (R, P, V)."""
        window = self.normalizer(batch.target_BTC, batch.mean_BC, batch.std_BC)
        truth_BPC = (batch.truth_BPC - window.offset_B1C) / window.spread_B1C
        inputs = network_input(batch, window, self.independent, self.masked)
        return inputs, to_rows(truth_BPC, self.independent)

    def predict(self, raw: "Table | Sequence[Table]") -> Forecasts:
        """Forecast what follows the last observed value of every series.

        Args:
            raw: a table, or the path of a CSV or Parquet file, with the columns of the training
                data; or several. A series shorter than the lookback is padded with missing values;
                one shorter than ``data.min_lookback`` is left out, with a warning, and named in
                ``left_out`` of the forecasts. Rows after the last
                observed target give the future covariates; they are needed only where the model
                was trained with future covariates other than the calendar.

        Returns:
            The forecasts in the targets' own units; ``to_frame()`` makes a table of them.

        Raises:
            UserError: columns are missing or every series is too short.
        """
        from .batches.inference_windows import inference_tables

        memory = memory_steps(self.schema["horizon"]) if self.adaptive else 0
        found = self.forecast_tables(inference_tables(raw, self.schema, memory))
        if found.left_out:
            warnings.warn(describe_left_out(found.left_out), stacklevel=2)
        return found

    def forecast_tables(self, tables: "Sequence[InferenceWindows]") -> Forecasts:
        """Forecast the last windows of tables, one after the other, as one batch."""
        factors = self.interval_factors_of([table.windows for table in tables])
        batch = ForecastBatch(*(torch.cat(p) for p in zip(*(t.batch for t in tables), strict=True)))
        names = [name for table in tables for name in table.names]
        left_out = {name: why for table in tables for name, why in table.left_out.items()}
        found = self.forecast_windows(batch, names, torch.cat(factors) if factors else None)
        return replace(found, left_out=left_out)

    def stream(self, batch_size: int = 1) -> Stream[Forecasts]:
        """Return streams of rows as they are measured; see :class:`ForecastingStream`.

        Args:
            batch_size: series at once.

        Raises:
            UserError: the data have future covariates but no times.
        """
        from .inference.streaming import ForecastingStream

        return ForecastingStream(self, batch_size)

    def stream_module(self) -> StreamModule:
        """Refuse: there is no smaller network than the one that reads a window.

        Raises:
            UserError: always.
        """
        raise UserError(
            "forecasting has no streaming network: every forecast reads the last "
            f"{self.schema['lookback']} steps anew, less their level; export the network as it is, "
            "and keep that many rows"
        )

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return quantiles in the targets' units as a function of windows."""
        return ForecastExport(self, self.levels, self.fitted.get("calibration"))

    def limits(self) -> list[str]:
        """Return the series, frequency and lookback that the model was trained for."""
        return describe_limits(self.schema, channels_mixed=not self.independent)

    def usage(self) -> list[str]:
        """Return lines that forecast from a table with the columns of the training data."""
        return usage_lines(self.schema)

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Forecast from a table file; write a CSV and, beside it, a figure of the same name."""
        from .results.forecast_plots import plot_panels

        with warnings.catch_warnings(record=True) as left_out:
            warnings.simplefilter("always", UserWarning)
            forecasts = self.predict(source)
        for warning in left_out:
            print(warning.message, flush=True)
        with atomic_path(target) as temporary:
            forecasts.to_frame().to_csv(temporary, index=False)
        figure = target.with_suffix(".png")
        return [target, plot_panels(figure, forecasts.panels(), self.levels)]
