"""The forecasting task: the next values of one or many series, with quantiles.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.streaming.stream import StreamModule
from gru_suite.options import check_choice
from gru_suite.training.sequence_task import SequenceTask, evaluating

from .batches.windows import ForecastBatch, InferenceWindow, Table, WindowSet, inference_batch
from .inference.forecasts import Forecasts
from .inference.streaming import ForecastingStream
from .network.decoders import DECODERS, Rows, Sizes, seen_by_backbone
from .network.layers import Normalized, SegmentEncoder, WindowNormalizer
from .network.linear_skip import LinearSkip
from .network.options import CHANNELS, SKIPS, check_quantiles, choose_segment_size
from .results.card_text import limits_of, usage_of
from .results.window_plots import plot_panels, plot_windows
from .training.losses import LOSSES, ForecastOutput, observed_loss
from .training.metrics import ForecastMetrics

if TYPE_CHECKING:
    from gru_suite.model.export.module import ExportModule


class ForecastingTask(SequenceTask):
    """Forecast the next ``horizon`` steps of every target from the last ``lookback`` ones.

    The encoder cuts the past into segments of ``segment_size`` steps, the backbone runs over the
    segments, a decoder gives features for each segment of the horizon and the head turns them into
    values (SegRNN, Lin et al. 2023, arXiv 2308.11200, with ``decoder=parallel``).
    """

    name: ClassVar[str] = "forecasting"
    better: ClassVar[dict[str, str]] = {
        "mae": "min",
        "mse": "min",
        "mae_unit": "min",
        "mase": "min",
        "smape": "min",
        "wql": "min",
        "coverage_80": "none",
    }

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
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
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack; ``hidden_size`` is also the size of a
                segment's embedding.
            schema: what the data module says of the data: sizes, names, scales.
            optimizer: name and options of the optimizer.
            scheduler: name and options of the learning-rate schedule.
            loss: ``mse``, ``mae``, ``huber`` or ``quantile`` (pinball over ``quantiles``), on
                z-scored values.
            quantiles: rising, symmetric about a median of 0.5; used with ``loss=quantile`` only.
            normalization: how a window's level is taken out: ``last_value``, ``level``, ``revin``,
                ``standard`` or ``none`` (see :class:`WindowNormalizer`).
            channels: ``independent`` (every target is forecast from its own past by shared
                weights) or ``mixed`` (all targets together).
            relative_covariates: give the backbone past covariates less their last value.
            segment_size: steps in a segment, 1 to lookback; 1 gives the backbone every step, None
                takes a season where it is shorter than the lookback.
            decoder: ``parallel`` (all horizon segments at once), ``recursive`` (one segment after
                the other, each fed the one before) or ``direct`` (one linear map from the last
                state to the whole horizon).
            input_dropout: share of the encoder's inputs set to 0 in training, 0 to below 1.
            head_dropout: share of features dropped before the head, 0 to below 1.
            skip: a linear map past the backbone: ``none``, ``trained`` with the rest, or ``ridge``:
                a regression in closed form, its lookback and penalty chosen on validation data,
                which leaves the backbone what it cannot forecast (see :class:`LinearSkip`).

        Raises:
            UserError: an option has a value that cannot work.
        """
        check_choice("task.loss", loss, LOSSES)
        check_choice("task.normalization", normalization, WindowNormalizer.KINDS)
        check_choice("task.channels", channels, CHANNELS)
        check_choice("task.decoder", decoder, DECODERS)
        check_choice("task.skip", skip, SKIPS)
        levels = check_quantiles(quantiles) if loss == "quantile" else [0.5]
        if backbone.get("bidirectional") and decoder != "direct":
            raise UserError(
                f"backbone.bidirectional=true with task.decoder={decoder}: the horizon is decoded "
                "from a forward state; use task.decoder=direct"
            )
        segment_size = choose_segment_size(segment_size, schema)
        masked = bool(schema["missing_targets"])
        num_values = schema["num_targets"] if channels == "mixed" else 1
        # Slow cycles come last among the features and are for the skip alone.
        slow_size = schema["slow_size"]
        num_features = num_values * (1 + masked) + schema["past_size"] - slow_size
        # A direct decoder on single steps needs no embedding: the backbone takes the values.
        plain = decoder == "direct" and segment_size == 1
        input_size = num_features if plain else backbone.get("hidden_size", 128)
        super().__init__(backbone, input_size, schema, optimizer, scheduler)
        self.save_hyperparameters()
        self.loss_kind, self.levels = loss, levels
        self.independent, self.masked = channels == "independent", masked
        self.relative_covariates = relative_covariates
        self.input_dropout = nn.Dropout(input_dropout)
        self.normalizer = WindowNormalizer(
            normalization, schema["num_targets"], schema["season_length"] or 1
        )
        self.encoder = (
            nn.Identity() if plain else SegmentEncoder(num_features, segment_size, input_size)
        )
        sizes = Sizes(
            input_size=input_size,
            output_size=self.backbone.output_size,
            segment_size=segment_size,
            horizon=schema["horizon"],
            num_channels=schema["num_targets"] if self.independent else 1,
            num_values=num_values,
            num_quantiles=len(levels),
            past_size=schema["past_size"] - slow_size,
            future_size=schema["future_size"] - slow_size,
            static_size=schema["static_size"],
            masked=masked,
            bidirectional=bool(backbone.get("bidirectional")),
        )
        self.decoder = DECODERS[decoder](sizes, head_dropout)
        self.skip: LinearSkip | None = None
        if skip != "none":
            full = sizes._replace(future_size=schema["future_size"])
            self.skip = LinearSkip(
                full, num_features + slow_size, schema["lookback"], trained=skip == "trained"
            )
        if skip == "ridge":
            # The backbone starts from the regression, not from noise on top of it.
            for parameter in self.decoder.head.projection.parameters():
                nn.init.zeros_(parameter)
        self.skip_kind = skip
        self.scoring = {"quantiles": levels if len(levels) > 1 else []}

    def forward(self, batch: ForecastBatch) -> ForecastOutput:
        """Forecast a batch of windows, in z-scored units."""
        window = self.normalizer(batch.target_BTC, batch.mean_BC, batch.std_BC)
        rows = self._rows(batch, window)
        seen = seen_by_backbone(rows, self.schema, self.relative_covariates)
        h_RTH, state = self.backbone(self.encoder(self.input_dropout(seen.x_RLF)))
        out_RPVQ = self.decoder(self.backbone, self.encoder, h_RTH, state, seen)
        if self.skip is not None:
            out_RPVQ = out_RPVQ + self.skip(rows)[..., None]
        if self.independent:
            num_targets = batch.target_BTC.size(-1)
            out_RPVQ = out_RPVQ.squeeze(2).unflatten(0, (-1, num_targets)).transpose(1, 2)
        quantiles_BPCQ = self.normalizer.undo(out_RPVQ, window)
        return ForecastOutput(
            quantiles_BPCQ[..., len(self.levels) // 2],
            quantiles_BPCQ if len(self.levels) > 1 else None,
        )

    def warm_start(self, train: Iterable[ForecastBatch], val: Iterable[ForecastBatch]) -> None:
        """Fit ``skip=ridge`` on the training windows, its lookback and penalty on the others."""
        if self.skip is not None and self.skip_kind == "ridge":
            self.skip.fit(map(self._skip_rows, train), map(self._skip_rows, val))

    def _skip_rows(self, batch: ForecastBatch) -> tuple[Rows, Tensor]:
        window = self.normalizer(batch.target_BTC, batch.mean_BC, batch.std_BC)
        target_BPC = (batch.truth_BPC - window.offset_B1C) / window.spread_B1C
        return self._rows(batch, window), self._as_rows(target_BPC)

    def _as_rows(self, values_BTC: Tensor) -> Tensor:
        """Give each target a row of its own where channels are independent: (R, T, V)."""
        return values_BTC.mT.flatten(0, 1)[..., None] if self.independent else values_BTC

    def _rows(self, batch: ForecastBatch, window: Normalized) -> Rows:
        """Lay a batch out as rows; each target of a window has the covariates of the window."""
        copies = batch.target_BTC.size(-1) if self.independent else 1
        past_RLF, future_RPF, static_RS = (
            part if copies == 1 else part.repeat_interleave(copies, 0)
            for part in (batch.past_BTF, batch.future_BPF, batch.static_BS)
        )
        parts = [self._as_rows(window.past_BLC)]
        if self.masked:
            parts.append(self._as_rows(window.observed_BLC.to(past_RLF.dtype)))
        level_RV = self._as_rows(window.offset_B1C)[:, 0]
        return Rows(torch.cat([*parts, past_RLF], dim=-1), level_RV, future_RPF, static_RS)

    def loss(self, output: ForecastOutput, batch: ForecastBatch) -> Tensor:
        """Return the mean loss over the observed values of the horizon."""
        return observed_loss(self.loss_kind, self.levels, output, batch.truth_BPC)

    def new_metrics(self) -> Metric:
        """Return :class:`ForecastMetrics` with this task's quantiles."""
        return ForecastMetrics(self.levels if len(self.levels) > 1 else None)

    def update_metrics(self, metrics: Metric, output: ForecastOutput, batch: ForecastBatch) -> None:
        """Add one batch."""
        metrics.update(output.point_BPC, output.quantiles_BPCQ, batch)

    def export_module(self, example: Callable[[], Any] | None = None) -> "ExportModule":
        """Return quantiles in the targets' units as a function of windows."""
        from .inference.export import ForecastExport

        return ForecastExport(self)

    def predict(self, raw: Table | Sequence[Table]) -> Forecasts:
        """Forecast what follows the last observed value of every series.

        Args:
            raw: a table, or the path of a CSV or Parquet file, with the columns of the training
                data and at least ``lookback`` rows a series; or several. Rows after the last
                observed target give the future covariates; they are needed only where the task was
                trained with future covariates other than the calendar.

        Returns:
            The forecasts in the targets' own units; ``to_frame()`` makes a table of them.

        Raises:
            UserError: columns are missing or a series is too short.
        """
        return self.forecast_windows(*inference_batch(raw, self.schema))

    @torch.inference_mode()
    def forecast_windows(self, batch: ForecastBatch, windows: list[InferenceWindow]) -> Forecasts:
        """Forecast what follows windows that were cut already; a window is what a series sees."""
        with evaluating(self):
            output = self(ForecastBatch(*(part.to(self.device) for part in batch)))
        values_BPCQ = output.quantiles_BPCQ
        if values_BPCQ is None:
            values_BPCQ = output.point_BPC[..., None]
        mean_B1C, std_B1C = batch.mean_BC[:, None], batch.std_BC[:, None]
        names = self.schema["time_column"]
        values_BPCQ = values_BPCQ.cpu() * std_B1C[..., None] + mean_B1C[..., None]
        return Forecasts(
            targets=list(self.schema["targets"]),
            quantiles=list(self.levels),
            windows=windows,
            id_column=self.schema["id_column"],
            time_column=names[0] if isinstance(names, list) else names,
            values_BPCQ=values_BPCQ.numpy(),
            history_BTC=(batch.target_BTC * std_B1C + mean_B1C).numpy(),
        )

    def stream(self, batch_size: int = 1) -> ForecastingStream:
        """Return what takes rows as they are measured; see :class:`ForecastingStream`."""
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

    def limits(self) -> list[str]:
        """Say which series, frequency and lookback the model was made for."""
        return limits_of(self.schema, channels_mixed=not self.independent)

    def usage(self) -> list[str]:
        """Forecast from a table with the columns of the training data."""
        return usage_of(self.schema)

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Forecast from a table file; write a CSV and, beside it, a plot of the same name."""
        forecasts = self.predict(source)
        with atomic_path(target) as temporary:
            forecasts.to_frame().to_csv(temporary, index=False)
        picture = target.with_suffix(".png")
        return [target, plot_panels(picture, forecasts.panels(), self.levels)]

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Draw windows spread over the part: history, forecast, interval and truth."""
        windows = loader.dataset
        assert isinstance(windows, WindowSet)
        return [plot_windows(self, windows, folder / "forecasts.png")]
