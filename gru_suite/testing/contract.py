"""The contract of a task as a function: ``check_task("gesture")``."""

import copy
import io
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from torch import nn

from gru_suite.cli.search_path import prepare_hydra
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.model.checkpoint import load
from gru_suite.results.model_card import read_facts, render
from gru_suite.testing.model_contract import check_export, check_predict, check_stream
from gru_suite.testing.values import not_plain, tensors
from gru_suite.training.checkpoint import load_task
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import build_data, build_task

# Enough for any loss to fall on one batch.
STEPS = 30


def compose_config(overrides: Sequence[str], root: str = "train") -> DictConfig:
    """Compose a root config like the command line, plug-ins included."""
    prepare_hydra()
    GlobalHydra.instance().clear()
    with initialize_config_module("gru_suite.conf", version_base="1.3"):
        return compose(root, list(overrides))


def build(cfg: DictConfig) -> tuple[SequenceTask, SequenceDataModule]:
    """Return the task and data module of a composed ``train.yaml``, the data set up."""
    data = build_data(cfg)
    return build_task(cfg, data), data


def check_task(
    name: str, cell: str = "gru", overrides: Sequence[str] = (), export: bool = True
) -> None:
    """Check the contract of a task; raise AssertionError with what is violated.

    The config composes; the hyper-parameters are plain data; one batch gives a finite loss and a
    gradient for every parameter; the loss falls in 30 steps on that batch; in bfloat16
    (autocast) the loss and gradients are finite, and inputs are predicted; a checkpoint restores
    the same outputs through :func:`gru_suite.load` and ``load_from_checkpoint``, with torch's safe
    loading; the task can be built from its hyper-parameters alone, without data; ``predict`` gives
    the same for single inputs and a list of them, and a stream, where the model has one, the same
    for an input in chunks as ``predict`` for the whole (where the data has raw examples); the model
    card of the checkpoint prints, and its example runs; an ONNX file has the same outputs as the
    model, for random and raw inputs.

    Args:
        name: the task, as in ``task=``.
        cell: the backbone's cell.
        overrides: further overrides, such as a smaller data set.
        export: also export to ONNX, where the model implements it: the slowest check.
    """
    torch.manual_seed(0)
    cfg = compose_config([f"task={name}", f"backbone={cell}", "debug=tiny", *overrides])
    task, data = build(cfg)
    batch = next(iter(data.train_dataloader()))

    stray = list(not_plain(dict(task.hparams)))
    assert not stray, f"{name}: hyper-parameters must be plain data; {stray[0]}"
    assert task.name == name, f"task.name is {task.name!r}, its config is task={name}"
    assert task.better, f"{name}: `better` names no metric"
    _check_training(task, batch)
    _check_bfloat16(task, batch, data)
    _check_checkpoint(task, batch)
    _check_card(task)
    _check_metrics(task, batch)
    check_predict(task.model, data)
    check_stream(task.model, data)
    if export:
        check_export(task.model, data, batch)


def _check_training(task: SequenceTask, batch: Any) -> None:
    task.train()
    optimizer = torch.optim.Adam(task.parameters(), lr=3e-3)
    losses: list[float] = []
    for _ in range(STEPS):
        loss = task.loss(task(batch), batch)
        assert loss.shape == (), f"{task.name}: the loss must be a scalar, not {tuple(loss.shape)}"
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
        without = [n for n, p in task.named_parameters() if p.requires_grad and p.grad is None]
        assert not without, f"{task.name}: no gradient reaches {without}"
        optimizer.step()
    assert all(map(torch.isfinite, torch.tensor(losses))), f"{task.name}: loss not finite"
    assert losses[-1] < losses[0], f"{task.name}: the loss rose from {losses[0]} to {losses[-1]}"


def _check_bfloat16(task: SequenceTask, batch: Any, data: SequenceDataModule) -> None:
    task.train()
    task.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.loss(task(batch), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss), f"{task.name}: loss not finite in bfloat16"
    for name, parameter in task.named_parameters():
        found = parameter.grad
        assert found is None or torch.isfinite(found).all(), f"{task.name}: {name} in bfloat16"
    task.zero_grad()
    task.eval()
    with torch.autocast("cpu", torch.bfloat16):
        examples = data.raw_examples(1)
        if examples:
            found = task.model.predict(examples)
            assert len(found.to_frame()) == len(next(iter(found.to_dict().values())))


def _check_checkpoint(task: SequenceTask, batch: Any) -> None:
    task.eval()
    with torch.inference_mode():
        before = list(tensors(task(batch)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.ckpt"
        _save(task, path)
        restored: list[nn.Module] = [load(path), load_task(path)]
        again = type(task).load_from_checkpoint(path, map_location="cpu")
    restored += [again.eval(), type(task)(**copy.deepcopy(dict(task.hparams))).eval()]
    restored[-1].load_state_dict(task.state_dict())
    for module in restored:
        with torch.inference_mode():
            after = list(tensors(module(batch)))
        for a, b in zip(before, after, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def _save(task: SequenceTask, path: Path) -> None:
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)


def _check_card(task: SequenceTask) -> None:
    """Print the card of a checkpoint and run its example."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.ckpt"
        _save(task, path)
        card = render(read_facts(path))
        example = card.partition("```python\n")[2].partition("```")[0]
        with redirect_stdout(io.StringIO()):
            exec(compile(example, f"<how to load {task.name}>", "exec"), {})
    for line in (*task.model.limits(), *task.model.usage()):
        assert line in card, f"{task.name}: its model card lacks the line {line!r}"


def _check_metrics(task: SequenceTask, batch: Any) -> None:
    metrics = task.new_metrics()
    with torch.inference_mode():
        task.update_metrics(metrics, task(batch), batch)
    values = metrics.compute()
    missing = set(task.better) - set(values)
    assert not missing, f"{task.name}: `better` names metrics that nobody computes: {missing}"
