"""Export of the model as a function of windows.

Shapes: B windows, L lookback steps, P horizon steps, C targets, F past features, G future features,
    S static features, Q quantiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port
from gru_suite.model.sequence_model import SequenceModel

from ..batches.forecast_batch import ForecastBatch, ForecastOutput
from .finishing import calibrated, finished

# Position of a step in each calendar cycle, 0 to below 1.
_PHASES = {
    "hour": "time since midnight / 24 h",
    "halfday": "time since midnight or noon / 12 h",
    "weekday": "day of the week from 0 on Monday / 7",
    "monthday": "day of the month from 0 / 31",
    "yearday": "day of the year from 0 / 366",
    "month": "month from 0 in January / 12",
}


class ForecastExport(ExportModule):
    """From windows to quantiles, both in the targets' own units.

    Inputs without features are left out. The scale of the targets is a constant where the training
    data had one series, else an input, so that the model takes new series too. The lookback is
    fixed: the linear skip has a weight for each of its steps.
    """

    model: SequenceModel
    mean_1C: Tensor
    std_1C: Tensor

    def __init__(
        self,
        model: SequenceModel,
        levels: Sequence[float],
        calibration: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the inputs and outputs.

        Args:
            model: from a :class:`ForecastBatch` to a :class:`ForecastOutput`.
            levels: the quantile levels of its forecasts, one for a single forecast.
            calibration: the split calibration of its quantiles, None for none.
        """
        super().__init__(model)
        self.calibration = calibration
        self.levels, schema = levels, model.schema
        self.masked = bool(schema["missing_targets"])
        scales = list(schema["target_scale"].values())
        self.single = len(scales) == 1
        for name in ("mean", "std"):
            values = torch.tensor(scales[0][name], dtype=torch.float32)
            self.register_buffer(f"{name}_1C", values[None], persistent=False)
        self.steps = (int(schema["lookback"]),)
        self.inputs = tuple(_inputs(schema, self.single))
        names, shares = schema["targets"], [f"{level:g}" for level in levels]
        shape = (BATCH, schema["horizon"], len(names), len(levels))
        meaning = f"forecasts, each target in its own unit; targets {names}, quantiles {shares}"
        self.outputs = (Port("forecast", "float32", shape, meaning),)
        self.preprocessing = _preprocessing(schema, levels)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return quantiles in the targets' units, shape (B, P, C, Q)."""
        batch = self._batch(inputs)
        output = calibrated(self.model(batch), self.calibration, None)
        output = finished(output, batch, self.model.schema)
        scaled_BPCQ = output.quantiles_BPCQ
        if scaled_BPCQ is None:
            scaled_BPCQ = output.point_BPC.unsqueeze(3)
        forecast_BPCQ: Tensor = (
            scaled_BPCQ * batch.std_BC[:, None, :, None] + batch.mean_BC[:, None, :, None]
        )
        return forecast_BPCQ

    def _batch(self, inputs: Sequence[Tensor]) -> ForecastBatch:
        given = dict(zip((port.name for port in self.inputs), inputs, strict=True))
        target_BLC, schema = given["target"], self.model.schema
        B, L, C = target_BLC.shape
        mean_BC = given["mean"] if "mean" in given else self.mean_1C.expand(B, -1)
        std_BC = given["std"] if "std" in given else self.std_1C.expand(B, -1)
        horizon, none_B = schema["horizon"], torch.zeros_like(target_BLC[:, 0, 0])
        return ForecastBatch(
            target_BTC=(target_BLC - mean_BC[:, None]) / std_BC[:, None],
            past_BTF=given.get("past", target_BLC.new_zeros(B, L, 0)),
            future_BPF=given.get("future", target_BLC.new_zeros(B, horizon, 0)),
            static_BS=given.get("static", target_BLC.new_zeros(B, 0)),
            truth_BPC=target_BLC.new_zeros(B, horizon, C),
            mean_BC=mean_BC,
            std_BC=std_BC,
            naive_BC=torch.ones_like(mean_BC),
            series_B=none_B,
            origin_B=none_B,
        )

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random windows near the level of the training data, some values missing."""
        inputs = []
        for port in self.inputs:
            shape = (batch_size, *(int(size) for size in port.shape[1:]))
            drawn = torch.randn(shape, generator=generator)
            if port.name == "target":
                drawn = drawn * self.std_1C + self.mean_1C
                missing = torch.rand(shape, generator=generator) < 0.1
                drawn = drawn.masked_fill(missing & self.masked, torch.nan)
            elif port.name == "mean":
                drawn = self.mean_1C + 0.1 * drawn * self.std_1C
            elif port.name == "std":
                drawn = self.std_1C * (1 + drawn.abs())
            inputs.append(drawn)
        return tuple(inputs)

    def from_batch(self, batch: ForecastBatch) -> tuple[Tensor, ...]:
        """Return windows in the targets' units, and the other inputs."""
        mean_BC, std_BC = batch.mean_BC, batch.std_BC
        given = {
            "target": batch.target_BTC * std_BC[:, None] + mean_BC[:, None],
            "past": batch.past_BTF,
            "future": batch.future_BPF,
            "static": batch.static_BS,
            "mean": mean_BC,
            "std": std_BC,
        }
        return tuple(given[port.name].contiguous() for port in self.inputs)

    def to_output(self, outputs: Sequence[Tensor], batch: ForecastBatch) -> ForecastOutput:
        """Return the forecasts in z-scored units."""
        mean_BC, std_BC = batch.mean_BC, batch.std_BC
        scaled_BPCQ = (outputs[0] - mean_BC[:, None, :, None]) / std_BC[:, None, :, None]
        num_levels = len(self.levels)
        return ForecastOutput(
            scaled_BPCQ[..., num_levels // 2],
            scaled_BPCQ if num_levels > 1 else None,
            calibrated=True,
        )


def _inputs(schema: dict[str, Any], single: bool) -> Iterator[Port]:
    lookback, horizon, num_targets = schema["lookback"], schema["horizon"], schema["num_targets"]
    meaning = f"past values of {schema['targets']}, each in its own unit"
    if schema["missing_targets"]:
        meaning += "; NaN where one is missing"
    yield Port("target", "float32", (BATCH, lookback, num_targets), meaning)
    for name, steps, size, what in (
        ("past", (lookback,), schema["past_size"], "features over the lookback: `past_features`"),
        ("future", (horizon,), schema["future_size"], "over the horizon: `future_features`"),
        ("static", (), schema["static_size"], "features of the series: `static_features`"),
    ):
        if size:
            yield Port(name, "float32", (BATCH, *steps, size), what)
    if not single:
        of = "of the series in the training part, in its unit: `target_scale`"
        yield Port("mean", "float32", (BATCH, num_targets), f"mean {of}")
        yield Port("std", "float32", (BATCH, num_targets), f"standard deviation {of}, above 0")


def _preprocessing(schema: dict[str, Any], levels: Sequence[float]) -> dict[str, Any]:
    known = [*_features(schema["future_covariates"], schema), *_calendar(schema)]
    return {
        "inside": "scaling of the targets, removal of the window's level, and their inverses; the "
        "quantiles' calibration on validation data, not their adaptation to later errors",
        "outside": "the time grid, and the features of covariates and calendar as named in "
        "`past_features`, `future_features` and `static_features`, in this order",
        "targets": schema["targets"],
        "quantiles": list(levels),
        "lookback": schema["lookback"],
        "horizon": schema["horizon"],
        "frequency": schema["frequency"],
        "past_features": [*_features(schema["past_covariates"], schema), *known],
        "future_features": known,
        "static_features": _features(schema["static_covariates"], schema),
        "target_scale": {
            name: {key: scale[key] for key in ("mean", "std")}
            for name, scale in schema["target_scale"].items()
        },
    }


def _features(columns: Sequence[str], schema: dict[str, Any]) -> list[str]:
    """Return a description of each feature of some columns."""
    found = []
    for column in columns:
        if column in schema["categories"]:
            found += [f"1 where {column} is {name!r}" for name in schema["categories"][column]]
            continue
        mean, std = schema["covariate_scale"][column]
        found.append(f"({column} - {mean!r}) / {std!r}, 0 where missing")
        if column in schema["missing_flags"]:
            found.append(f"1 where {column} is missing")
    return found


def _calendar(schema: dict[str, Any]) -> list[str]:
    return [
        f"{wave}(2 pi * p), p = {_PHASES[cycle]}"
        for cycle in schema["calendar"]
        for wave in ("sin", "cos")
    ]
