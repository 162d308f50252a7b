"""The run folder: the config at the start, the results at the end."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder
from gru_suite.results.machine import describe_machine
from gru_suite.results.table import ScoreTable, write_metrics
from gru_suite.training.sequence_task import SequenceTask


def start_run(cfg: DictConfig) -> Path:
    """Return the run folder, with the resolved ``config.yaml`` in it."""
    folder = make_folder(HydraConfig.get().runtime.output_dir)
    with atomic_path(folder / "config.yaml") as temporary:
        OmegaConf.save(cfg, temporary, resolve=True)
    return folder


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
