"""``gru-suite train``: train a task, test its best checkpoint, compare it with its baselines."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import Logger

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.devices import check_devices, check_launch
from gru_suite.errors import UserError
from gru_suite.options import check_positive
from gru_suite.plots.figure import plot_learning_curve
from gru_suite.results.costs import measure_costs
from gru_suite.results.model_card import write_card
from gru_suite.results.run_folder import (
    Run,
    begin_run,
    check_same_task,
    fingerprint,
    finish_run,
    run_facts,
)
from gru_suite.results.trackers import hand_over, tracking
from gru_suite.training.callbacks.epoch_log import EpochLog
from gru_suite.training.checkpoint import check_resumable, keep_for_prediction
from gru_suite.training.distributed import (
    SameConfig,
    check_sweep,
    leave_group,
    single,
    synchronize,
)
from gru_suite.training.recovery.last_checkpoint import LastCheckpoint
from gru_suite.training.search.trial_report import PrunedTrial, trial_callbacks
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.sizing.matched_size import match_size
from gru_suite.training.sizing.training_length import set_length
from gru_suite.training.trainer import (
    build_all,
    build_data,
    build_task,
    make_trainer,
    plain,
    prepare_process,
)
from gru_suite.training.transfer import FreezeBackbone, start_from


def train(cfg: DictConfig) -> float | None:
    """Train, test and report one run, or go on with one that was stopped.

    Args:
        cfg: the composed config ``train.yaml``.

    Returns:
        The best value of ``monitor.metric``, for hyper-parameter searches; None in the other
        processes of a distributed run.
    """
    check_same_task(cfg.task._target_, cfg.data._target_)
    if cfg.checkpoint is not None:
        check_resumable(cfg.checkpoint)
    check_positive("checkpoint_minutes", cfg.checkpoint_minutes)
    check_devices(cfg.device)
    check_launch(cfg.device)
    check_sweep(cfg.device, in_sweep=HydraConfig.get().mode == RunMode.MULTIRUN)
    prepare_process(cfg.seed, cfg.device)
    with begin_run(cfg) as run:
        if run.finished:
            return None
        try:
            with tracking(cfg, run) as loggers:
                return fit_and_test(cfg, run, loggers)
        except PrunedTrial as pruned:
            run.prune(str(pruned))
            return None


def fit_and_test(cfg: DictConfig, run: Run, loggers: list[Logger]) -> float | None:
    """Train, test and report in a run folder; see :func:`train`."""
    folder = run.folder
    data = build_data(cfg)
    check_validation(data)
    summary = data.summary()
    sizes = match_size(cfg, data, run.before.get("hidden_size"))
    run.record(hidden_size=cfg.backbone.hidden_size)
    print("\n".join([*summary, *set_length(cfg, data), *sizes]), flush=True)
    hand_over(loggers, config=plain(cfg))

    task = build_task(cfg, data)
    task.run_info = run_facts(cfg, data, summary)
    run.record(data=data.name, better=dict(task.better))
    print(f"{type(task).__name__}: {cfg.backbone.cell}, {task.model.num_parameters:,} parameters")

    callbacks: list[Callback] = []
    checkpoint = run.checkpoint or cfg.checkpoint
    if cfg.backbone.init_from and checkpoint is None:
        print("\n".join(start_from(task, cfg.backbone.init_from)), flush=True)
    if cfg.backbone.freeze_epochs:
        callbacks.append(FreezeBackbone(cfg.backbone.freeze_epochs))
    best = best_checkpoint(cfg.monitor.metric, cfg.monitor.mode, folder / "checkpoints")
    last = LastCheckpoint(folder / "checkpoints", cfg.checkpoint_minutes)
    epochs = EpochLog(folder / "metrics.csv", cfg.monitor.metric, cfg.monitor.mode)
    callbacks += [*build_all(cfg.callbacks), best, last, epochs]
    callbacks.append(SameConfig(fingerprint(cfg)))
    callbacks += trial_callbacks(cfg.monitor.metric, first=run.log is not None)
    options = {"logger": loggers or False, **plain(cfg.trainer)}
    trainer = make_trainer(cfg.device, callbacks, **options)

    synchronize(task, cfg.device)
    if checkpoint is None:
        task.warm_start(data.train_dataloader(), data.val_dataloader())
    trainer.fit(task, data, ckpt_path=checkpoint, weights_only=True)
    check_best(best)
    if not leave_group(trainer):
        return None
    keep_for_prediction(Path(best.best_model_path), task.model.tables)

    # In one process, so that each item is scored once.
    scores = score_best(make_trainer(single(cfg.device), **limits(cfg)), task, data, best)
    data.limit_batches = {"test": cfg.trainer.limit_test_batches}
    baselines = data.baselines("test", task.scoring)
    costs = {"train_seconds": round(epochs.total_seconds, 3), **measure_costs(task, data)}
    seconds = costs["train_seconds"]
    write_card(folder, {"scores": scores, "baselines": baselines, "train_seconds": seconds})
    plot_learning_curve(folder / "metrics.csv", folder / "plots" / "learning_curve.png")
    monitor = dict(cfg.monitor)
    if best.best_model_score is not None:
        run.record(monitor={**monitor, "value": float(best.best_model_score)})
    finish_run(folder, task, data, {"seed": cfg.seed} | costs | scores, baselines)
    hand_over(
        loggers,
        scores={name: value for name, value in scores.items() if name.startswith("test/")},
        step=max(trainer.global_step - 1, 0),
        plots=folder / "plots",
        checkpoint=Path(best.best_model_path),
    )
    return float(best.best_model_score) if best.best_model_score is not None else None


def check_validation(data: SequenceDataModule) -> None:
    """Raise UserError if the data has no validation part."""
    if not data.val_dataloader():
        raise UserError(
            f"{data.name}: no validation part, which selects the best epoch; give it a share in "
            "data.split"
        )


def best_checkpoint(metric: str | None, mode: str, folder: Path) -> ModelCheckpoint:
    """Return the callback that keeps ``best.ckpt`` in a folder.

    Without a metric the best epoch is the last one: for a validation part so small that it would
    select an epoch by chance.
    """
    # Lightning identifies callbacks by their options: without a metric, by the mode alone.
    mode = mode if metric else "max"
    return ModelCheckpoint(folder, "best", metric, mode=mode, enable_version_counter=False)


def check_best(best: ModelCheckpoint) -> None:
    """Raise UserError if the validation metric was not finite in any epoch."""
    score = best.best_model_score
    if score is not None and not torch.isfinite(score):
        raise UserError(
            f"{best.monitor} was not a finite number in any epoch: lower optimizer.lr or "
            "trainer.gradient_clip_val, or look for extreme values in the data"
        )


def limits(cfg: DictConfig) -> dict[str, Any]:
    """Return the limits of the parts that are scored."""
    keys = ("limit_val_batches", "limit_test_batches", "deterministic")
    return {key: cfg.trainer[key] for key in keys if key in cfg.trainer}


def score_best(
    trainer: pl.Trainer, task: SequenceTask, data: SequenceDataModule, best: ModelCheckpoint
) -> dict[str, float]:
    """Return ``val/<metric>`` and ``test/<metric>`` of the best epoch's weights."""
    path = best.best_model_path or None
    scores: dict[str, float] = {}
    for score in (trainer.validate, trainer.test):
        scores |= score(task, datamodule=data, ckpt_path=path, verbose=False)[0]
    return scores
