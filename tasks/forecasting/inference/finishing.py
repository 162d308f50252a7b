"""From the network's output to a forecast: calibrated, within bounds, rounded.

Shapes: B windows, P horizon steps, C targets, Q quantiles.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch, ForecastOutput
from .split_calibration import apply_split, stretched


def calibrated(
    output: ForecastOutput,
    calibration: Mapping[str, Any] | None,
    series_B: Tensor | None,
) -> ForecastOutput:
    """Return an output with the quantiles of a split calibration.

    Args:
        output: of the network.
        calibration: of :func:`.split_calibration.fit_split`; None for none.
        series_B: number of each window's series; None for unknown ones.
    """
    if calibration is None or output.calibrated:
        return output
    found_BPCQ = output.quantiles_BPCQ
    if found_BPCQ is None:
        found_BPCQ = output.point_BPC[..., None]
    return ForecastOutput(
        output.point_BPC, apply_split(found_BPCQ, calibration, series_B), calibrated=True
    )


def finished(
    output: ForecastOutput,
    batch: ForecastBatch,
    schema: Mapping[str, Any],
    factor_BCQ: Tensor | None = None,
) -> ForecastOutput:
    """Return a calibrated output with adapted intervals, within the bounds of the targets.

    Args:
        output: calibrated.
        batch: the windows.
        schema: ``lower_bounds`` has the smallest value of each target, or None; with ``integers``
            forecasts are rounded.
        factor_BCQ: of adaptive intervals; None for none.
    """
    point_BPC, quantiles_BPCQ = output.point_BPC, output.quantiles_BPCQ
    if quantiles_BPCQ is not None and factor_BCQ is not None:
        quantiles_BPCQ = stretched(quantiles_BPCQ, factor_BCQ.to(quantiles_BPCQ)[:, None])
    point_BPC = _limited(point_BPC[..., None], batch, schema)[..., 0]
    if quantiles_BPCQ is not None:
        quantiles_BPCQ = _limited(quantiles_BPCQ, batch, schema)
    return ForecastOutput(point_BPC, quantiles_BPCQ, output.calibrated)


def _limited(values_BPCQ: Tensor, batch: ForecastBatch, schema: Mapping[str, Any]) -> Tensor:
    """Return z-scored values within the bounds, rounded where the targets are integers."""
    mean_B1C1, std_B1C1 = batch.mean_BC[:, None, :, None], batch.std_BC[:, None, :, None]
    bounds = schema.get("lower_bounds") or []
    if any(bound is not None for bound in bounds):
        lowest = [-torch.inf if bound is None else bound for bound in bounds]
        lowest_C1 = values_BPCQ.new_tensor(lowest)[:, None]
        values_BPCQ = torch.maximum(values_BPCQ, (lowest_C1 - mean_B1C1) / std_B1C1)
    if schema.get("integers"):
        unit_BPCQ = (values_BPCQ * std_B1C1 + mean_B1C1).round()
        values_BPCQ = (unit_BPCQ - mean_B1C1) / std_B1C1
    return values_BPCQ
