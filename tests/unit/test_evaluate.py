"""Which data a checkpoint is scored on: its own with changed options, or another set."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from gru_suite.commands.evaluate import data_for, fill_data
from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.task import ForecastingTask

TARGET = "gru_suite.tasks.forecasting.data.ForecastingDataModule"


def table(path: Path, rows: int, seed: int) -> str:
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    values = np.random.default_rng(seed).normal(size=rows)
    pd.DataFrame({"t": times, "y": values}).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the data config of a run."""
    path = table(tmp_path_factory.mktemp("data") / "run.csv", 200, seed=0)
    return {
        **{"_target_": TARGET, "_convert_": "all", "source": "csv", "path": path},
        **{"time_column": "t", "target": "y", "lookback": 12, "horizon": 6, "eval_stride": 1},
    }


@pytest.fixture(scope="module")
def task(options: dict[str, Any]) -> ForecastingTask:
    data = ForecastingDataModule(**{k: v for k, v in options.items() if k[0] != "_"})
    data.setup()
    task = ForecastingTask({"cell": "gru", "hidden_size": 4}, data.schema())
    task.run_info = {"data": options, "seed": 1}
    return task


def test_without_options_it_is_the_runs_own_data(task: ForecastingTask) -> None:
    data = data_for(task, {})
    data.setup("test")
    assert data.schema() == task.model.schema
    assert len(data.test_dataloader().dataset) == 35


def test_options_of_the_runs_data_can_be_changed(task: ForecastingTask, tmp_path: Path) -> None:
    path = table(tmp_path / "newer.csv", 100, seed=1)
    given = {"path": path, "eval_stride": 5, "split": [0.0, 0.0, 1.0], "horizon": 6}
    with pytest.raises(UserError, match=r"data\.split: no such option"):
        data_for(task, given)
    del given["split"]
    data = data_for(task, given)
    data.setup("test")
    assert data.schema() == task.model.schema
    assert data.name == "newer"
    assert len(data.test_dataloader().dataset) == 3


@pytest.mark.parametrize(
    ("key", "value", "trained"), [("horizon", 12, "6"), ("lookback", 24, "12"), ("sort", True, "F")]
)
def test_what_the_checkpoint_was_trained_with_cannot_be_changed(
    task: ForecastingTask, options: dict[str, Any], key: str, value: Any, trained: str
) -> None:
    message = rf"data\.{key}={value}: the checkpoint was trained with {trained}"
    whole = options | {key: value}
    with pytest.raises(UserError, match=message):
        data_for(task, whole, given=["path", key])
    # A default of another data config says nothing; the checkpoint's own value is taken.
    data = data_for(task, whole, given=["path"])
    data.setup("test")
    assert data.schema() == task.model.schema
    if key in options:
        with pytest.raises(UserError, match=message):
            data_for(task, {key: value})


def test_options_that_are_not_there_name_the_nearest(task: ForecastingTask) -> None:
    with pytest.raises(UserError, match=r"data\.horizn: no such option; did you mean 'horizon'"):
        data_for(task, {"horizn": 12})


def test_a_checkpoint_without_data_needs_some(task: ForecastingTask) -> None:
    bare = ForecastingTask({"cell": "gru", "hidden_size": 4}, task.model.schema)
    with pytest.raises(UserError, match="names no data set; choose one with data="):
        data_for(bare, {"horizon": 6})


def test_a_chosen_data_config_is_completed_from_the_run(task: ForecastingTask) -> None:
    cfg = OmegaConf.create({"data": {"path": "new.csv", "target": "???", "other": "???", "n": 3}})
    fill_data(cfg, task)
    assert cfg.data.target == "y"
    assert (cfg.data.path, cfg.data.n) == ("new.csv", 3)
    assert OmegaConf.is_missing(cfg.data, "other")
    for empty in ({}, {"data": None}):
        cfg = OmegaConf.create(empty)
        fill_data(cfg, task)
        assert cfg == empty
