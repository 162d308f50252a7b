"""``gru-suite predict``: from a file of raw input to a file of predictions."""

import inspect
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gru_suite.devices import torch_device
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import load
from gru_suite.results.run_folder import start_run
from gru_suite.training.sequence_task import SequenceTask


def predict(cfg: DictConfig) -> None:
    """Predict from ``input`` with ``checkpoint`` and say what was written.

    Args:
        cfg: the composed config ``predict.yaml``.
    """
    task = load(cfg.checkpoint, torch_device(cfg.device.accelerator))
    options = task_options(task, cfg)
    folder = start_run(cfg)
    target = Path(cfg.output) if cfg.output else folder / "predictions.csv"
    for path in task.predict_file(Path(cfg.input), target, **options):
        print(f"written: {path}")
    print(f"run folder: {folder}", flush=True)


def task_options(task: SequenceTask, cfg: DictConfig) -> dict[str, Any]:
    """Return what of the config the task's ``predict_file`` takes beyond source and target.

    Raises:
        UserError: something was asked for that the task does not have.
    """
    if not cfg.annotate:
        return {}
    if "annotate" not in inspect.signature(task.predict_file).parameters:
        raise UserError(
            f"annotate=true: a {task.name} checkpoint draws nothing into its input; leave it out"
        )
    return {"annotate": True}
