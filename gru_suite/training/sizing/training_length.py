"""How long a training lasts where ``trainer.max_epochs=auto``: by the number of examples."""

import math

from omegaconf import DictConfig, OmegaConf

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.options import check_count, check_number

AUTO = "auto"


def set_length(cfg: DictConfig, data: SequenceDataModule) -> list[str]:
    """Set the epochs of a config, and the patience of early stopping, where they are ``auto``.

    A few hundred examples need many epochs, and hundreds of thousands few: an epoch is then of very
    different numbers of optimizer steps.

    Args:
        cfg: of a training; ``length`` has ``steps`` (optimizer steps that are enough), the fewest
            and most epochs, ``shortest`` and ``longest``, and ``patience``, a share of the epochs.
        data: after ``setup``.

    Returns:
        A line on the length, none where it was given.
    """
    lines = []
    trainer, length = cfg.trainer, cfg.length
    for key in ("steps", "shortest", "longest"):
        check_count(f"length.{key}", length[key], 1)
    check_number("length.patience", length.patience, 0, 1)
    if trainer.max_epochs == AUTO:
        steps = steps_per_epoch(trainer, len(data.train_dataloader()))
        epochs = math.ceil(length.steps / steps)
        epochs = min(max(epochs, length.shortest), max(length.longest, length.shortest))
        OmegaConf.update(cfg, "trainer.max_epochs", epochs)
        lines.append(f"training: {epochs} epochs of {steps} steps (trainer.max_epochs)")
    stopping = OmegaConf.select(cfg, "callbacks.early_stopping")
    if stopping is not None and OmegaConf.select(cfg, "callbacks.early_stopping.monitor") is None:
        # The last epoch is kept, so nothing says when to stop.
        OmegaConf.update(cfg, "callbacks.early_stopping", None, merge=False)
        stopping = None
    if stopping is not None and stopping.get("patience") == AUTO:
        patience = max(1, round(length.patience * max(trainer.max_epochs, 1)))
        OmegaConf.update(cfg, "callbacks.early_stopping.patience", patience)
    return lines


def steps_per_epoch(trainer: DictConfig, num_batches: int) -> int:
    """Return the optimizer steps of an epoch, at least 1, given its batches."""
    limit: int | float = trainer.limit_train_batches
    used = min(limit, num_batches) if isinstance(limit, int) else int(limit * num_batches)
    return max(1, math.ceil(used / int(trainer.accumulate_grad_batches)))
