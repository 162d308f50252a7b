"""The beginning and the end of a run folder, within a job of Hydra's."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from forecasting_fixtures import make_task
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.results.run_folder import check_same_task, finish_run, start_run

OURS = "gru_suite.tasks."


pytestmark = pytest.mark.usefixtures("hydra_configs")


def job(folder: Path | str, words: Sequence[str] = ()) -> DictConfig:
    """Return the config that a job in ``folder`` gets."""
    overrides = [*words, f"hydra.runtime.output_dir={folder}"]
    cfg = compose("train", overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def test_a_run_begins_with_its_whole_config(tmp_path: Path) -> None:
    folder = start_run(job(tmp_path / "deep" / "run", ["seed=7"]))
    assert folder == tmp_path / "deep" / "run"
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    text = (folder / "config.yaml").read_text()
    assert "${" not in text
    saved = OmegaConf.create(text)
    assert (saved.seed, saved.data.seed) == (7, 7)
    assert saved.callbacks.early_stopping.monitor == "val/loss"


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        start_run(job(tmp_path / "file" / "run"))


def test_data_of_another_task_is_refused() -> None:
    job("/run", ["data=sine"])
    data = f"{OURS}forecasting.data.ForecastingDataModule"
    check_same_task(f"{OURS}forecasting.task.ForecastingTask", data)
    with pytest.raises(UserError, match="data=sine is for task=forecasting, and task=sentiment"):
        check_same_task(f"{OURS}sentiment.task.SentimentTask", data)


def test_what_plug_ins_combine_is_theirs_to_know() -> None:
    check_same_task("acme.task.Gesture", f"{OURS}forecasting.data.ForecastingDataModule")
    check_same_task(f"{OURS}forecasting.task.ForecastingTask", "acme.data.Sales")
    check_same_task("acme.task.Gesture", "other.data.Sales")


class NoData(SequenceDataModule):
    name = "nothing"

    def schema(self) -> dict[str, Any]:
        return {}

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        return {}

    def loader(self, part: str, shuffle: bool = False) -> Any:
        return part


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_run_ends_with_plots_metrics_and_a_table(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, drawn = make_task(), []
    monkeypatch.setattr(task, "write_plots", lambda *given: drawn.append(given))
    facts = {"seed": 3, f"{part}/mae": 0.25, f"{part}/mse": 0.5, "val/loss": 9.0}
    finish_run(tmp_path, task, NoData(), facts, {"ridge": {"mae": 0.125, "mse": 0.75}}, part)
    assert drawn == [(part, tmp_path / "plots")]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics)[:4] == ["task", "data", "backbone", "seed"]
    assert (metrics["task"], metrics["data"], metrics["backbone"]) == (
        *("forecasting", "nothing", "gru"),
    )
    assert metrics["num_parameters"] == task.model.num_parameters
    assert metrics["baselines"] == {"ridge": {"mae": 0.125, "mse": 0.75}}
    printed = capsys.readouterr().out
    assert f"forecasting on nothing, {part} part" in " ".join(printed.split())
    assert "ridge" in printed
    assert "0.25" in printed
    assert printed.splitlines()[-1] == f"run folder: {tmp_path}"
