"""``gru-suite evaluate``: score a checkpoint and the baselines, on its own data or other data."""

from collections.abc import Collection
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gru_suite.data.data_module import TRAINING_OPTIONS, SequenceDataModule
from gru_suite.devices import check_launch, on_gpu
from gru_suite.errors import UserError, nearest
from gru_suite.options import check_flag
from gru_suite.results.run_folder import check_same_task, finish_run, start_run
from gru_suite.training.checkpoint import load_task
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import make_trainer, plain, prepare_process


def evaluate(cfg: DictConfig) -> None:
    """Score ``checkpoint`` on ``part`` of the data it was trained on, or of ``data``.

    Args:
        cfg: the composed config ``evaluate.yaml``.
    """
    if cfg.part not in ("val", "test"):
        raise UserError(f"part={cfg.part}: choose val or test")
    check_flag("int8", cfg.int8)
    check_launch(cfg.device)
    task = load_task(cfg.checkpoint)
    if cfg.int8:
        task.model.quantize()
        if on_gpu(cfg.device):
            raise UserError("int8=true: weights of eight bits are for the CPU; use device=cpu")
    prepare_process(task.run_info.get("seed", 1))
    fill_data(cfg, task)
    folder = start_run(cfg)
    data = data_for(task, plain(cfg.get("data")), given_options())
    data.prepare_data()
    data.setup("test" if cfg.part == "test" else "validate")

    trainer = make_trainer(cfg.device)
    run = trainer.test if cfg.part == "test" else trainer.validate
    scores = run(task, datamodule=data, verbose=False)[0]
    baselines = data.baselines(cfg.part, task.scoring)
    finish_run(folder, task, data, scores, baselines, cfg.part)


def fill_data(cfg: DictConfig, task: SequenceTask) -> None:
    """Set mandatory options of a data config, such as the target, to those of the training run."""
    data = cfg.get("data")
    for key, value in task.run_info.get("data", {}).items():
        if data is not None and OmegaConf.is_missing(data, key) and value is not None:
            data[key] = value


def given_options() -> list[str]:
    """Return the data options set on the command line, without those of a data config."""
    keys = (word.lstrip("+").partition("=")[0] for word in HydraConfig.get().overrides.task)
    return [key.split(".")[1] for key in keys if key.startswith("data.")]


def data_for(
    task: SequenceTask, overrides: dict[str, Any], given: Collection[str] = ()
) -> SequenceDataModule:
    """Return a data module: that of the training run with overrides, or another one.

    Either prepares data by the schema of the checkpoint: its vocabulary, scales and names.

    Args:
        task: a loaded task.
        overrides: data options; with ``_target_`` a complete data config.
        given: options of a complete data config that the user set; only these may conflict with the
            schema, the others are defaults.

    Raises:
        UserError: the data set has no such option, or the schema determines its value.
    """
    schema = task.model.schema
    options: dict[str, Any] = dict(task.run_info.get("data", {}))
    if "_target_" in overrides:
        check_same_task(f"{type(task).__module__}.x", overrides["_target_"])
        options = overrides
    elif not options:
        raise UserError("the checkpoint names no data set; choose one with data=")
    else:
        given = overrides
    for key in given:
        if key not in options:
            raise UserError(f"data.{key}: no such option{nearest(key, options)}")
        if key in schema and schema[key] != overrides[key]:
            raise UserError(
                f"data.{key}={overrides[key]}: the checkpoint was trained with "
                f"{schema[key]}, which cannot be changed"
            )
    options |= overrides
    for key in TRAINING_OPTIONS:
        options.pop(key, None)
    data: SequenceDataModule = instantiate(options, _convert_="all", schema=schema)
    return data
