"""Untrained models of every task, and their checkpoints, for tests of services and servers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from stream_fixtures import sentiment_model, speech_model, video_model

from gru_suite.model.checkpoint import describe_model
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.task import ForecastingTask

LOOKBACK, HORIZON, LEVELS = 24, 4, 3


def load_table(
    num_rows: int = 80, names: tuple[str, ...] = ("a", "b"), seed: int = 0
) -> pd.DataFrame:
    """Return hourly rows of series with a covariate."""
    draw = np.random.default_rng(seed)
    parts = []
    for number, name in enumerate(names):
        level = 5 + np.sin(np.arange(num_rows) / 4) + 0.2 * draw.standard_normal(num_rows)
        parts.append(
            pd.DataFrame(
                {
                    "time": pd.date_range("2024-01-01", periods=num_rows, freq="h"),
                    "id": name,
                    "rain": draw.random(num_rows),
                    "load": level + number,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def forecasting_model(folder: Path) -> SequenceModel:
    """Return a forecaster with adaptive intervals; the table it was made for is written there."""
    torch.manual_seed(0)
    path = folder / "load.csv"
    load_table(200).to_csv(path, index=False)
    columns: dict[str, Any] = {"time_column": "time", "id_column": "id", "target": "load"}
    data = ForecastingDataModule(
        LOOKBACK, HORIZON, path=str(path), past_covariates=["rain"], **columns
    )
    data.setup()
    task = ForecastingTask({"hidden_size": 8}, data.schema(), skip="none", segment_size=4)
    for parameter in task.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    factors = np.full((HORIZON, 1, LEVELS), 1.1).tolist()
    task.model.fitted["calibration"] = {"factors": factors, "series": {}}
    return task.model.eval()


def service_models(folder: Path) -> dict[str, SequenceModel]:
    """Return a model of each task: series, texts, words (causal), ahead (looks ahead), moves."""
    torch.manual_seed(0)
    return {
        "series": forecasting_model(folder),
        "texts": sentiment_model(),
        "live-texts": sentiment_model(pooling="last"),
        "words": speech_model(),
        "ahead": speech_model(causal=False, backbone={"bidirectional": True}, pooling="mean+max"),
        "moves": video_model(),
    }


def save_checkpoint(model: SequenceModel, path: Path) -> Path:
    """Write a checkpoint of a model, as a run writes it but for the state of the training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = describe_model(model)
    kind = type(model)
    mark["task_class"] = f"{kind.__module__}:{kind.__qualname__}".replace("Model", "Task").replace(
        ".model:", ".task:"
    )
    content = {
        "gru_suite": mark,
        "hyper_parameters": model.options,
        "state_dict": model.state_dict(),
        "epoch": 0,
        "global_step": 0,
    }
    torch.save(content, path)
    return path
