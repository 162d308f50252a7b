"""``gru-suite export``: convert a checkpoint to another format, and check the result."""

from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gru_suite.commands.evaluate import data_for, fill_data, given_options
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.model.export.formats import (
    WEIGHTS,
    Written,
    check_request,
    export_graph,
    export_weights,
)
from gru_suite.model.export.stream import StreamExport
from gru_suite.results.int8 import export_int8
from gru_suite.results.run_folder import start_run
from gru_suite.training.checkpoint import load_task
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import plain, prepare_process


def export(cfg: DictConfig) -> None:
    """Convert ``checkpoint`` to ``format``; print the files and the largest difference of outputs.

    Args:
        cfg: the composed config ``export.yaml``.
    """
    suffix = check_request(cfg.format, cfg.output, cfg.streaming, cfg.int8)
    if cfg.part not in ("val", "test"):
        raise UserError(f"part={cfg.part}: choose val or test")
    task = load_task(cfg.checkpoint)
    model = task.model
    prepare_process(task.run_info.get("seed", 1))
    folder = start_run(cfg)
    target = Path(cfg.output) if cfg.output else folder / f"{task.name}{suffix}"
    facts = {"checkpoint": Path(cfg.checkpoint).name}

    if cfg.format == WEIGHTS:
        written = export_weights(Path(cfg.checkpoint), target, facts)
    elif cfg.int8:
        data = _data(cfg, task)
        module = model.export_module(partial(_first_batch, data))
        if module.companions():
            raise UserError(
                f"int8=true: a {task.name} checkpoint is exported as several files, which have no "
                "variant of 8 bits; leave it out"
            )
        written = export_int8(task, module, target, facts, data, cfg.device, cfg.part)
    else:
        module = model.export_module(lambda: _first_batch(_data(cfg, task)))
        if cfg.streaming:
            module = StreamExport(module)
        written = export_graph(module, target, cfg.format, facts)
    _print_written(written)
    print(f"run folder: {folder}", flush=True)


def _data(cfg: DictConfig, task: SequenceTask) -> SequenceDataModule:
    """Return the data module for ``part`` of the training run's data, or of ``data``."""
    fill_data(cfg, task)
    data = data_for(task, plain(cfg.get("data")), given_options())
    data.prepare_data()
    data.setup("test" if cfg.part == "test" else "validate")
    return data


def _first_batch(data: SequenceDataModule) -> Any:
    return next(iter(data.test_dataloader()))


def _print_written(written: Written) -> None:
    for note in written.notes:
        print(note)
    size_kb = written.path.stat().st_size / 1000
    print(f"largest difference from the checkpoint: {written.check.difference:.1e}")
    print(f"written: {written.path} ({size_kb:,.0f} kB)")
    print(f"written: {written.description}")
