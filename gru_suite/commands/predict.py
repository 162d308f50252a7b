"""``gru-suite predict``: from a file of raw input to a file of predictions."""

from pathlib import Path

from omegaconf import DictConfig

from gru_suite.checkpoint import load
from gru_suite.report import start_run
from gru_suite.runtime import torch_device


def predict(cfg: DictConfig) -> None:
    """Predict from ``input`` with ``checkpoint`` and say what was written.

    Args:
        cfg: the composed config ``predict.yaml``.
    """
    task = load(cfg.checkpoint, torch_device(cfg.device.accelerator))
    folder = start_run(cfg)
    target = Path(cfg.output) if cfg.output else folder / "predictions.csv"
    for path in task.predict_file(Path(cfg.input), target):
        print(f"written: {path}")
    print(f"run folder: {folder}", flush=True)
