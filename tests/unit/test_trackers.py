"""Trackers of experiments without a run: what is handed over, and packages that are missing."""

from pathlib import Path
from typing import Any

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.utilities.rank_zero import rank_zero_only
from lightning_utilities.core.imports import RequirementCache
from omegaconf import OmegaConf
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.loggers.logger import DummyLogger

from gru_suite.cli.instantiation_errors import explain_instantiation
from gru_suite.plots.figure import figure
from gru_suite.plugins import own_package
from gru_suite.results.run_folder import Run
from gru_suite.results.trackers import hand_over, tracking

CONFIG = {"seed": 1, "task": {"horizon": 24, "quantiles": [0.1, 0.9]}}


class Told(Logger):
    """A logger that nobody has heard of."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []

    name = version = "told"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.calls.append(("metrics", (metrics, step)))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.calls.append(("config", params))

    def finalize(self, status: str) -> None:
        self.calls.append(("end", status))


def folder_with_a_plot(tmp_path: Path) -> Path:
    with figure(tmp_path / "plots" / "curve.png", 2, 1):
        pass
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    return tmp_path


def everything(folder: Path) -> dict[str, Any]:
    scores = {"test/mae": 0.5}
    return {
        "scores": scores,
        "step": 7,
        "plots": folder / "plots",
        "checkpoint": folder / "best.ckpt",
    }


def test_any_logger_takes_config_and_scores(tmp_path: Path) -> None:
    logger = Told()
    hand_over([logger], config=CONFIG)
    hand_over([logger], **everything(folder_with_a_plot(tmp_path)))
    assert logger.calls == [("config", CONFIG), ("metrics", ({"test/mae": 0.5}, 7))]


def test_what_is_not_there_is_not_handed_over(tmp_path: Path) -> None:
    logger = Told()
    hand_over([logger], plots=tmp_path / "plots", checkpoint=tmp_path)
    hand_over([], config=CONFIG)
    assert logger.calls == []


def test_tensorboard_reads_all_of_it_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason='pip install "gru-suite[tensorboard]"')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    entry = OmegaConf.load(own_package().conf / "logger" / "tensorboard.yaml")
    entry.tensorboard.save_dir = str(tmp_path)
    cfg = OmegaConf.create({"logger": entry})
    with tracking(cfg, Run(tmp_path)) as loggers:
        hand_over(loggers, config=CONFIG)
        hand_over(loggers, **everything(folder_with_a_plot(tmp_path)))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["test/mae"]
    assert [(each.step, each.value) for each in events.Scalars("test/mae")] == [(7, 0.5)]
    (image,) = events.Images("plots/curve")
    assert image.width > image.height > 10
    assert b"horizon: 24" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_loggers_are_told_how_it_ended(error: type[BaseException] | None, tmp_path: Path) -> None:
    cfg = OmegaConf.create({"logger": {"told": {"_target_": f"{__name__}.Told"}, "gone": None}})
    logger = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gru_suite.results.trackers.instantiate", lambda *_, **__: logger)

        def run() -> None:
            with tracking(cfg, Run(tmp_path)) as loggers:
                assert loggers == [logger]
                if error is not None:
                    raise error

        if error is None:
            run()
        else:
            with pytest.raises(error):
                run()
    assert logger.calls == [("end", "failed" if error else "success")]


def test_the_first_process_logs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    entry = {"_target_": f"{CSVLogger.__module__}.CSVLogger", "save_dir": str(tmp_path / "csv")}
    with tracking(OmegaConf.create({"logger": {"csv": entry}}), Run(tmp_path)) as loggers:
        assert [type(each) for each in loggers] == [DummyLogger]
        hand_over(loggers, config=CONFIG, **everything(folder_with_a_plot(tmp_path)))
    with tracking(OmegaConf.create({"logger": {}}), Run(tmp_path)) as loggers:
        assert loggers == []
    assert not (tmp_path / "csv").exists()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = RequirementCache(f"{name}-is-absent>=1", f"{name}_is_absent")
    fabric = "lightning_fabric.loggers.tensorboard"
    for place in {
        "tensorboard": (f"{fabric}._TENSORBOARD_AVAILABLE", f"{fabric}._TENSORBOARDX_AVAILABLE"),
        "mlflow": ("pytorch_lightning.loggers.mlflow._MLFLOW_AVAILABLE",),
        "wandb": ("pytorch_lightning.loggers.wandb._WANDB_AVAILABLE",),
    }[name]:
        monkeypatch.setattr(place, absent)
    target = OmegaConf.load(own_package().conf / "logger" / f"{name}.yaml")[name]._target_
    cfg = OmegaConf.create({"logger": {name: {"_target_": target, "save_dir": str(tmp_path)}}})
    with pytest.raises(InstantiationException) as error:
        instantiate(cfg.logger[name])
    message, _, of_the_user = explain_instantiation(error.value, lambda _: "")
    assert of_the_user
    wanted = f'logger.{name} needs a package that is not installed: pip install "gru-suite[{name}]"'
    assert message == wanted
