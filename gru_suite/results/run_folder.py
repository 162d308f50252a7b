"""The run folder: the config at the start, the results at the end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder
from gru_suite.launchers import Launch, find_launch
from gru_suite.results.agreement import LAUNCHERS, hear_decision, telling_others
from gru_suite.results.machine import describe_machine
from gru_suite.results.run_record import (
    FAILED,
    FINISHED,
    PRUNED,
    RUNNING,
    STOPPED,
    RunRecord,
    config_hash,
    read_record,
    recording,
    state_of,
)
from gru_suite.results.table import ScoreTable, write_metrics
from gru_suite.training.recovery.checkpoint_io import find_resumable
from gru_suite.training.sequence_task import SequenceTask


@dataclass
class Run:
    """A run folder in which a run begins or goes on.

    Attributes:
        folder: the run folder.
        checkpoint: from which a stopped run goes on; None for a new one.
        finished: there is nothing left to do.
        before: the record of the run, where it goes on.
        log: the record of the run; None in all but the first process of a distributed run.
    """

    folder: Path
    checkpoint: Path | None = None
    finished: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    log: RunRecord | None = None

    def record(self, **facts: Any) -> None:
        """Add facts to the record of the run, in the process that keeps it."""
        if self.log is not None:
            self.log.write(**facts)

    def prune(self, reason: str) -> None:
        """Record that the run was stopped for good, as a hopeless trial of a search."""
        print(f"{self.folder}: {reason}", flush=True)
        if self.log is not None:
            self.log.end(PRUNED)


@contextmanager
def begin_run(cfg: DictConfig) -> Iterator[Run]:
    """Begin a run in its folder, or go on with the one that was stopped there.

    A run goes on where ``resume`` names its folder, or where the folder holds an unfinished run of
    the same config: a job that a batch system has queued again, or a sweep that was started again.

    Args:
        cfg: the composed config ``train.yaml``.

    Raises:
        UserError: another process runs in this folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    launch = find_launch()
    if getattr(rank_zero_only, "rank", 0):
        if launch.launcher in LAUNCHERS:
            yield Run(folder, *hear_decision(folder, launch))
        else:
            # The first process has decided, has started this one, and waits for it.
            checkpoint = find_resumable(folder / "checkpoints")[0]
            yield Run(make_folder(folder), checkpoint, before=read_record(folder) or {})
        return
    with _deciding(cfg, folder, launch) as run:
        with telling_others(folder, launch, run.checkpoint, run.finished):
            yield run


@contextmanager
def _deciding(cfg: DictConfig, folder: Path, launch: Launch) -> Iterator[Run]:
    """Begin, continue or skip a run in its first process."""
    config = fingerprint(cfg)
    before = read_record(folder) or {}
    state, same = state_of(folder), before.get("config") == config
    # A job of several command lines that was queued again: the first of them may be finished.
    if same and state == FINISHED and (cfg.resume is not None or launch.restarted):
        longer = f"gru-suite resume={folder} trainer.max_epochs=..."
        print(f"{folder}: this run is finished; to train longer: {longer}")
        yield Run(folder, finished=True)
        return
    checkpoint = None
    if cfg.resume is not None or (same and state in (STOPPED, FAILED, RUNNING)):
        checkpoint, notes = find_resumable(folder / "checkpoints")
        print("\n".join([*notes, _going_on(folder, checkpoint)]), flush=True)
    make_folder(folder)
    choices = HydraConfig.get().runtime.choices
    facts: dict[str, Any] = {
        "config": config,
        "task": choices.get("task"),
        "cell": cfg.backbone.cell,
    }
    if checkpoint is not None and "trackers" in before:
        facts["trackers"] = before["trackers"]
    with recording(folder, **facts) as log:
        if checkpoint is None:
            # What an earlier run has left is of another training.
            for name in ("last.ckpt", "previous.ckpt", "best.ckpt"):
                (folder / "checkpoints" / name).unlink(missing_ok=True)
        _write_config(cfg, folder)
        yield Run(folder, checkpoint, before=before if checkpoint else {}, log=log)


def fingerprint(cfg: DictConfig) -> str:
    """Return a hash of a composed config, equal for runs that are the same training."""
    return config_hash(OmegaConf.to_container(cfg, resolve=False))  # type: ignore[arg-type]


def _going_on(folder: Path, checkpoint: Path | None) -> str:
    if checkpoint is None:
        return f"{folder}: there is no checkpoint to go on from; it begins anew"
    return f"{folder}: goes on from {checkpoint.name}"


def start_run(cfg: DictConfig) -> Path:
    """Return the run folder of a verb that does not train, with ``config.yaml`` in it."""
    folder = make_folder(HydraConfig.get().runtime.output_dir)
    _write_config(cfg, folder)
    return folder


def _write_config(cfg: DictConfig, folder: Path) -> None:
    with atomic_path(folder / "config.yaml") as temporary:
        OmegaConf.save(cfg, temporary, resolve=True)


def run_facts(cfg: DictConfig, data: SequenceDataModule, summary: Sequence[str]) -> dict[str, Any]:
    """Return the facts of a run for its checkpoints, as plain data: ``SequenceModel.run_info``.

    Args:
        cfg: the composed config ``train.yaml``.
        data: the data module.
        summary: its lines to print.
    """
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return {
        "data": config["data"],
        "name": data.name,
        "seed": config["seed"],
        "summary": list(summary),
        "config": config,
        "started": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": describe_machine(),
    }


def check_same_task(task_target: str, data_target: str) -> None:
    """Check that task and data module belong together; plug-ins may combine any.

    Raises:
        UserError: the ``_target_`` classes are of two different tasks of GRU Suite.
    """
    ours = "gru_suite.tasks."
    if not (task_target.startswith(ours) and data_target.startswith(ours)):
        return
    task, data = (t.removeprefix(ours).partition(".")[0] for t in (task_target, data_target))
    if task != data:
        chosen = HydraConfig.get().runtime.choices.get("data")
        raise UserError(
            f"data={chosen} is for task={data}, and task={task} was chosen; leave data= out for "
            f"the default data of {task}, or choose task={data}"
        )


def finish_run(
    folder: Path,
    task: SequenceTask,
    data: SequenceDataModule,
    facts: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, float]],
    part: str = "test",
) -> None:
    """Write plots and ``metrics.json``, print the results table and the run folder.

    Args:
        folder: the run folder.
        task: the trained task.
        data: its data.
        facts: flat entries of ``metrics.json``: the run's facts and ``<part>/<metric>`` scores.
        baselines: baseline to metric to value, on the same part.
        part: of the table, ``val`` or ``test``.
    """
    loader = data.test_dataloader() if part == "test" else data.val_dataloader()
    task.write_plots(loader, folder / "plots")
    cell = task.hparams["backbone"]["cell"]
    metrics = {
        "task": task.name,
        "data": data.name,
        "backbone": cell,
        "num_parameters": task.model.num_parameters,
        **facts,
        "baselines": baselines,
    }
    write_metrics(folder, metrics)
    prefix = f"{part}/"
    scores = {k.removeprefix(prefix): v for k, v in facts.items() if k.startswith(prefix)}
    title = f"{task.name} on {data.name}, {part} part"
    ScoreTable(cell, scores, baselines, task.better, title).print()
    print(f"run folder: {folder}", flush=True)
