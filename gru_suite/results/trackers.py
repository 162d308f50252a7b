"""Experiment trackers: TensorBoard, MLflow, Weights & Biases, and any other logger of Lightning.

Lightning gives them the metrics of each epoch; the config, the scores of the test, the plots and
the checkpoint are handed over here.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hydra.utils import instantiate
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig
from PIL import Image
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger

from gru_suite.files import make_folder
from gru_suite.results.run_folder import Run

# Class of a logger to its options for the name and the identifier of a run.
_NAMES = {"MLFlowLogger": ("run_name", "run_id"), "WandbLogger": ("name", "id")}
_SQLITE = "sqlite:///"


@contextmanager
def tracking(cfg: DictConfig, run: Run) -> Iterator[list[Logger]]:
    """Open the trackers of ``logger``, and close them at the end of the block.

    A run that goes on does so in the same run of MLflow and W&B: its identifier is in ``run.json``.
    Only the first process of a distributed run logs.

    Args:
        cfg: the composed config ``train.yaml``.
        run: the run folder.
    """
    entries = {key: entry for key, entry in (cfg.logger or {}).items() if entry}
    if getattr(rank_zero_only, "rank", 0):
        # Not their own: two processes would create one database at once.
        yield [DummyLogger()] if entries else []
        return
    _keep_quiet()
    before: dict[str, str] = run.log.content.get("trackers", {}) if run.log else {}
    loggers = {str(key): _open(entry, run, before.get(str(key))) for key, entry in entries.items()}
    numbers = {key: _identifier(logger) for key, logger in loggers.items()}
    run.record(trackers={key: number for key, number in numbers.items() if number})
    try:
        yield list(loggers.values())
    except BaseException:
        _close(loggers.values(), "failed")
        raise
    _close(loggers.values(), "success")


def hand_over(
    loggers: Sequence[Logger],
    *,
    config: Mapping[str, Any] | None = None,
    scores: Mapping[str, float] | None = None,
    step: int | None = None,
    plots: Path | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Hand parts of a run over to each tracker that has a place for them.

    Args:
        loggers: of :func:`tracking`.
        config: the resolved config, as hyper-parameters.
        scores: of the test, metric to value.
        step: number of the last optimizer step, of scores and plots.
        plots: a folder of PNG files.
        checkpoint: a file, as artifact.
    """
    for logger in loggers:
        if config is not None:
            _log_config(logger, config)
        if scores is not None:
            if isinstance(logger, TensorBoardLogger):
                # They are what its table of hyper-parameters compares.
                logger.log_hyperparams(logger.hparams, dict(scores), step)
            else:
                logger.log_metrics(dict(scores), step)
        if plots is not None and plots.is_dir():
            _log_plots(logger, plots, step)
        if checkpoint is not None and checkpoint.is_file():
            _log_checkpoint(logger, checkpoint)


def _open(entry: DictConfig, run: Run, number: str | None) -> Logger:
    """Return a logger that goes on in the run of this identifier, if it has one."""
    kind = str(entry.get("_target_", "")).rpartition(".")[2]
    options: dict[str, Any] = {}
    if kind == "WandbLogger" and entry.get("offline"):
        # Without a server there is no address to print.
        os.environ.setdefault("WANDB_SILENT", "true")
    if kind in _NAMES:
        for_name, for_number = _NAMES[kind]
        if not entry.get(for_name):
            facts = run.log.content if run.log else {}
            words = (facts.get("task"), facts.get("cell"), run.folder.name)
            options[for_name] = " ".join(str(word) for word in words if word)
        if number and not entry.get(for_number):
            options[for_number] = number
    with _alone(str(entry.get("tracking_uri") or "")):
        logger: Logger = instantiate(entry, **options)
        if isinstance(logger, MLFlowLogger) and number:
            logger = _reopen(logger, entry, options)
        if isinstance(logger, WandbLogger) and logger._wandb_init.get("anonymous") is None:
            # Lightning 2.6 passes on what wandb no longer takes: a warning in every run.
            logger._wandb_init.pop("anonymous", None)
        # Its run begins here, and the experiment with the first one.
        _identifier(logger)
    return logger


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """Hold a lock where the store is a local database: runs that start at once would all create it.

    Args:
        address: of the store.
    """
    if not address.startswith(_SQLITE):
        yield
        return
    database = Path(address.removeprefix(_SQLITE))
    make_folder(database.parent)
    with database.with_name(f".{database.name}.lock").open("a", encoding="utf-8") as file:
        try:
            import fcntl
        except ImportError:
            # A system without such locks.
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _reopen(logger: MLFlowLogger, entry: DictConfig, options: dict[str, Any]) -> Logger:
    """Return the logger of a run that goes on; of a new one where the store has lost it."""
    from mlflow.exceptions import MlflowException

    try:
        logger.experiment.update_run(str(logger.run_id), status="RUNNING")
    except MlflowException:
        again: Logger = instantiate(entry, **{**options, "run_id": None})
        return again
    return logger


def _identifier(logger: Logger) -> str | None:
    """Return the identifier by which a run goes on in its tracker; the run begins there."""
    if isinstance(logger, MLFlowLogger):
        return logger.run_id
    return str(logger.experiment.id) if isinstance(logger, WandbLogger) else None


def _log_config(logger: Logger, config: Mapping[str, Any]) -> None:
    if isinstance(logger, MLFlowLogger):
        # Parameters of a run cannot change: a run that goes on may train longer.
        flat = dict(_flat(config))
        known = logger.experiment.get_run(str(logger.run_id)).data.params
        logger.log_hyperparams({key: v for key, v in flat.items() if key not in known})
        for key in flat.keys() & known.keys():
            if str(flat[key])[:250] != known[key]:
                logger.experiment.set_tag(str(logger.run_id), f"resumed/{key}", str(flat[key]))
        return
    logger.log_hyperparams(dict(config))
    if isinstance(logger, TensorBoardLogger):
        text = yaml.safe_dump(dict(config), sort_keys=False)
        logger.experiment.add_text("config", f"```yaml\n{text}```")


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a config under the names of the command line."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _log_plots(logger: Logger, folder: Path, step: int | None) -> None:
    paths = sorted(folder.glob("*.png"))
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_artifacts(str(logger.run_id), str(folder), folder.name)
    elif isinstance(logger, TensorBoardLogger):
        for path in paths:
            with Image.open(path) as image:
                pixels_HWC = np.asarray(image.convert("RGB"))
            name = f"{folder.name}/{path.stem}"
            logger.experiment.add_image(name, pixels_HWC, step or 0, dataformats="HWC")
    elif isinstance(logger, WandbLogger) and paths:
        names = [f"{folder.name}/{path.stem}" for path in paths]
        for name, path in zip(names, paths, strict=True):
            logger.log_image(name, [str(path)], step)


def _log_checkpoint(logger: Logger, path: Path) -> None:
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_artifact(str(logger.run_id), str(path), "checkpoints")
    elif isinstance(logger, WandbLogger):
        import wandb

        artifact = wandb.Artifact(f"model-{logger.experiment.id}", type="model")
        artifact.add_file(str(path), name=path.name)
        logger.experiment.log_artifact(artifact, aliases=["best"])


def _close(loggers: Any, status: str) -> None:
    for logger in loggers:
        logger.finalize(status)
        if isinstance(logger, WandbLogger):
            # A next run in this process, as of a sweep, would go on in this one.
            logger.experiment.finish(exit_code=int(status != "success"))


def _keep_quiet() -> None:
    """Keep notes on databases off the screen, and reports on the use of a package off the net."""
    for name in ("alembic", "pytorch_lightning.loggers.mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # It would copy every change of the progress line to its log.
    os.environ.setdefault("WANDB_CONSOLE", "off")
