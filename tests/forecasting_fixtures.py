"""A small forecasting task and batches for it, for tests of several modules."""

from typing import Any

import torch

from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.task import ForecastingTask


def make_schema(**changes: Any) -> dict[str, Any]:
    schema = {
        "lookback": 12,
        "horizon": 5,
        "num_targets": 2,
        "past_size": 3,
        "future_size": 2,
        "static_size": 1,
        "missing_targets": True,
        "season_length": 3,
        "slow_size": 0,
    }
    return schema | changes


def make_batch(schema: dict[str, Any], rows: int = 4, seed: int = 0) -> ForecastBatch:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(rows, *shape, generator=generator)

    lookback, horizon, targets = schema["lookback"], schema["horizon"], schema["num_targets"]
    return ForecastBatch(
        target_BTC=draw(lookback, targets),
        past_BTF=draw(lookback, schema["past_size"]),
        future_BPF=draw(horizon, schema["future_size"]),
        static_BS=draw(schema["static_size"]),
        truth_BPC=draw(horizon, targets),
        mean_BC=draw(targets),
        std_BC=draw(targets).abs() + 0.5,
        naive_BC=torch.ones(rows, targets),
        series_B=torch.zeros(rows, dtype=torch.int64),
        origin_B=torch.zeros(rows, dtype=torch.int64),
    )


def make_task(schema: dict[str, Any] | None = None, **options: Any) -> ForecastingTask:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {"segment_size": 4, "skip": "none", "normalization": "last_value"}
    backbone = options.pop("backbone", {"cell": "gru", "hidden_size": 8})
    return ForecastingTask(backbone, schema or make_schema(), **(defaults | options)).eval()
