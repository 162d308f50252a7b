"""``gru-suite train``: train a task, test its best checkpoint, compare it with its baselines."""

import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.plots.figure import plot_learning_curve
from gru_suite.results.model_card import write_card
from gru_suite.results.run_folder import check_same_task, finish_run, run_facts, start_run
from gru_suite.training.checkpoint import check_resumable, keep_for_prediction
from gru_suite.training.epoch_log import EpochLog
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import (
    build_all,
    build_data,
    build_task,
    make_trainer,
    plain,
    prepare_process,
)
from gru_suite.training.training_length import set_length
from gru_suite.training.transfer import FreezeBackbone, start_from


def train(cfg: DictConfig) -> float | None:
    """Train, test and report one run.

    Args:
        cfg: the composed config ``train.yaml``.

    Returns:
        The best value of ``monitor.metric``, for hyper-parameter searches.
    """
    check_same_task(cfg.task._target_, cfg.data._target_)
    if cfg.checkpoint is not None:
        check_resumable(cfg.checkpoint)
    folder = start_run(cfg)
    prepare_process(cfg.seed)

    data = build_data(cfg)
    check_validation(data)
    summary = data.summary()
    print("\n".join([*summary, *set_length(cfg, data)]), flush=True)

    task = build_task(cfg, data)
    task.run_info = run_facts(cfg, data, summary)
    print(f"{type(task).__name__}: {cfg.backbone.cell}, {task.model.num_parameters:,} parameters")

    callbacks: list[Callback] = []
    if cfg.backbone.init_from and cfg.checkpoint is None:
        print("\n".join(start_from(task, cfg.backbone.init_from)), flush=True)
    if cfg.backbone.freeze_epochs:
        callbacks.append(FreezeBackbone(cfg.backbone.freeze_epochs))
    best, last = keep_checkpoints(cfg.monitor.metric, cfg.monitor.mode, folder / "checkpoints")
    epochs = EpochLog(folder / "metrics.csv", cfg.monitor.metric, cfg.monitor.mode)
    callbacks += [*build_all(cfg.callbacks), best, last, epochs]
    loggers = build_all(cfg.logger) or False
    trainer = make_trainer(cfg.device, callbacks, logger=loggers, **plain(cfg.trainer))

    started = time.perf_counter()
    if cfg.checkpoint is None:
        task.warm_start(data.train_dataloader(), data.val_dataloader())
    trainer.fit(task, data, ckpt_path=cfg.checkpoint, weights_only=True)
    train_seconds = time.perf_counter() - started
    check_best(best)
    if trainer.is_global_zero:
        keep_for_prediction(Path(best.best_model_path), task.model.tables)
    trainer.strategy.barrier()

    scores = score_best(trainer, task, data, best.best_model_path)
    data.limit_batches = {"test": cfg.trainer.limit_test_batches}
    baselines = data.baselines("test", task.scoring)
    seconds = round(train_seconds, 3)
    if trainer.is_global_zero:
        write_card(folder, {"scores": scores, "baselines": baselines, "train_seconds": seconds})
    facts = {"seed": cfg.seed, "train_seconds": seconds}
    plot_learning_curve(folder / "metrics.csv", folder / "plots" / "learning_curve.png")
    finish_run(folder, task, data, facts | scores, baselines)
    return float(best.best_model_score) if best.best_model_score is not None else None


def check_validation(data: SequenceDataModule) -> None:
    """Raise UserError if the data has no validation part."""
    if not data.val_dataloader():
        raise UserError(
            f"{data.name}: no validation part, which selects the best epoch; give it a share in "
            "data.split"
        )


def keep_checkpoints(
    metric: str | None, mode: str, folder: Path
) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """Return the callbacks that keep ``best.ckpt`` and ``last.ckpt`` in a folder.

    Without a metric the best epoch is the last one: for a validation part so small that it would
    select an epoch by chance.
    """
    # Two callbacks, since from Lightning 2.6 on `save_last` writes only in the best epochs so far.
    # Lightning identifies callbacks by their options: without a metric, by the mode alone.
    mode = mode if metric else "max"
    best = ModelCheckpoint(folder, "best", metric, mode=mode, enable_version_counter=False)
    return best, ModelCheckpoint(folder, "last", enable_version_counter=False)


def check_best(best: ModelCheckpoint) -> None:
    """Raise UserError if the validation metric was not finite in any epoch."""
    score = best.best_model_score
    if score is not None and not torch.isfinite(score):
        raise UserError(
            f"{best.monitor} was not a finite number in any epoch: lower optimizer.lr or "
            "trainer.gradient_clip_val, or look for extreme values in the data"
        )


def score_best(
    trainer: pl.Trainer, task: SequenceTask, data: SequenceDataModule, path: str
) -> dict[str, float]:
    """Return ``val/<metric>`` and ``test/<metric>`` of the best epoch's weights."""
    scores: dict[str, float] = {}
    for run in (trainer.validate, trainer.test):
        scores |= run(task, datamodule=data, ckpt_path=path or None, verbose=False)[0]
    return scores
