"""A trial of a search in its training: tells the study each epoch, and stops if that is hopeless.

The search gives the trial to the process of its job as an environment variable.
"""

import json
import math
import os
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gru_suite.training.search.study_store import TRIAL_VARIABLE, import_optuna, open_study


class PrunedTrial(Exception):
    """A trial that is worse than the others at its epoch, and was stopped."""


class TrialReport(Callback):
    """Tells a study the validation metric of every epoch.

    Args:
        trial: with ``report`` and ``should_prune``, as of optuna; None in all processes of a
            distributed run but the first.
        monitor: the metric.
        known: epochs that the study has been told of, before the run was stopped.
    """

    def __init__(self, trial: Any, monitor: str, known: frozenset[int] = frozenset()) -> None:
        self.trial, self.monitor, self.known = trial, monitor, known

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the epoch.

        Raises:
            PrunedTrial: the study wants no more of this trial.
        """
        value, epoch = trainer.callback_metrics.get(self.monitor), trainer.current_epoch
        hopeless = False
        if self.trial is not None and value is not None and math.isfinite(float(value)):
            if epoch not in self.known:
                self.trial.report(float(value), epoch)
            hopeless = self.trial.should_prune()
        if trainer.world_size > 1:
            hopeless = trainer.strategy.broadcast(hopeless)
        if hopeless:
            shown = "?" if value is None else f"{float(value):.4g}"
            raise PrunedTrial(f"pruned after epoch {epoch + 1}: {self.monitor} {shown}")


def trial_callbacks(monitor: str | None, first: bool) -> list[Callback]:
    """Return the callback of the trial that this process runs, if it is one.

    Args:
        monitor: ``monitor.metric``.
        first: whether this is the first process of the run.
    """
    text = os.environ.get(TRIAL_VARIABLE)
    if not text or monitor is None:
        return []
    options: dict[str, Any] = json.loads(text)
    if options["pruner"] == "none":
        return []
    if not first:
        return [TrialReport(None, monitor)]
    optuna = import_optuna()
    study = open_study(options["storage"], options["study"])
    study.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=options["pruner_trials"], n_warmup_steps=options["pruner_epochs"]
    )
    frozen = next(t for t in study.get_trials() if t.number == options["number"])
    trial = optuna.trial.Trial(study, frozen._trial_id)
    return [TrialReport(trial, monitor, frozenset(frozen.intermediate_values))]
