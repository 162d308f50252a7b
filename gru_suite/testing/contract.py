"""The contract every task keeps, as checks that a task's author runs: ``check_task("gesture")``."""

import copy
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from torch import Tensor

from gru_suite.cli.search_path import prepare_hydra
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import load
from gru_suite.model.export.onnx.file import open_onnx, require_onnx, write_onnx
from gru_suite.model.export.parity import TOLERANCE, require_equal
from gru_suite.model.export.substitution import answering
from gru_suite.results.model_card import read_facts, render
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import build_data, build_task

# Enough steps for any loss to fall on one batch, few enough for a test.
STEPS = 30
# Places at which a raw input is cut for a stream.
CUTS = 6


def compose_config(overrides: Sequence[str], root: str = "train") -> DictConfig:
    """Compose a root config as the command line does, plug-ins included."""
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
    """Check that a task keeps the contract; raise AssertionError with what it breaks.

    The config composes; the hyper-parameters are plain data; one batch gives a finite loss and a
    gradient for every parameter; the loss falls in 30 steps on that batch; a checkpoint restores
    the same outputs through :func:`gru_suite.load` and ``load_from_checkpoint``, with torch's safe
    loading; the task builds again from its hyper-parameters alone, without data; ``predict``
    says the same of single inputs and of a list of them, and a stream, where the task has one, says
    of an input in pieces what ``predict`` says of the whole (where the data gives raw examples);
    the model card of the checkpoint prints, and its example runs; an ONNX file answers the same as
    the task, to random inputs and to raw ones.

    Args:
        name: the task, as in ``task=``.
        cell: the backbone's cell.
        overrides: further overrides, such as a smaller data set.
        export: also write it as ONNX, where the task says how it is exported: the slowest check.
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
    _check_checkpoint(task, batch)
    _check_card(task)
    _check_metrics(task, batch)
    _check_predict(task, data)
    _check_stream(task, data)
    if export:
        _check_export(task, data, batch)


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


def _check_checkpoint(task: SequenceTask, batch: Any) -> None:
    task.eval()
    with torch.inference_mode():
        before = list(tensors(task(batch)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.ckpt"
        _save(task, path)
        restored = [load(path), type(task).load_from_checkpoint(path, map_location="cpu").eval()]
    restored.append(type(task)(**copy.deepcopy(dict(task.hparams))).eval())
    restored[-1].load_state_dict(task.state_dict())
    for again in restored:
        with torch.inference_mode():
            after = list(tensors(again(batch)))
        for a, b in zip(before, after, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def _save(task: SequenceTask, path: Path) -> None:
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)


def _check_card(task: SequenceTask) -> None:
    """Print the card of a checkpoint and run its example, as somebody who has only the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.ckpt"
        _save(task, path)
        card = render(read_facts(path))
        example = card.partition("```python\n")[2].partition("```")[0]
        with redirect_stdout(io.StringIO()):
            exec(compile(example, f"<how to load {task.name}>", "exec"), {})
    for line in (*task.limits(), *task.usage()):
        assert line in card, f"{task.name}: its model card lacks the line {line!r}"


def _check_metrics(task: SequenceTask, batch: Any) -> None:
    metrics = task.new_metrics()
    with torch.inference_mode():
        task.update_metrics(metrics, task(batch), batch)
    values = metrics.compute()
    missing = set(task.better) - set(values)
    assert not missing, f"{task.name}: `better` names metrics that nobody computes: {missing}"


def _check_predict(task: SequenceTask, data: SequenceDataModule) -> None:
    examples = data.raw_examples(3)
    if not examples:
        return
    task.eval()
    single = [task.predict(example) for example in examples]
    batched = task.predict(examples)
    assert len(batched) == len(examples), (
        f"{task.name}: predict gave {len(batched)} results for a list of {len(examples)}"
    )
    assert len(list(batched)) == len(batched), f"{task.name}: results must be iterable"
    for one, again in zip(single, batched, strict=True):
        assert len(one) == 1, f"{task.name}: predict gave {len(one)} results for a single input"
        assert type(one[0]) is type(again), f"{task.name}: a single result is a {type(one[0])}"
    assert list(batched.to_frame().columns) == list(batched.to_dict()), (
        f"{task.name}: to_frame() and to_dict() of a result have different columns"
    )
    for name, column in batched.to_dict().items():
        separate = [value for one in single for value in one.to_dict()[name]]
        assert not list(not_plain(column)), f"{task.name}: to_dict()[{name!r}] is not plain data"
        if column and isinstance(column[0], float):
            # The seventh digit of a value of any unit is rounding.
            torch.testing.assert_close(
                torch.tensor(column), torch.tensor(separate), rtol=1e-5, atol=1e-5, equal_nan=True
            )
        else:
            assert column == separate, f"{task.name}: {name} differs between single and batched"


def _check_stream(task: SequenceTask, data: SequenceDataModule) -> None:
    examples = [raw for raw in data.raw_examples(2) if _length(raw)]
    streaming = _one_way(task)
    if streaming is None or not examples:
        return
    generator = torch.Generator().manual_seed(0)
    stream = streaming.stream(len(examples))
    places = [
        [0, *sorted(torch.randint(_length(raw), (CUTS,), generator=generator).tolist())]
        for raw in examples
    ]
    for number in range(CUTS + 1):
        ends = [cuts[number + 1] if number < CUTS else None for cuts in places]
        pushed = zip(examples, places, ends, strict=True)
        found = stream.push([_part(raw, cuts[number], end) for raw, cuts, end in pushed])
        # What is saved and restored goes on as what was not.
        with tempfile.TemporaryFile() as file:
            torch.save(stream.state_dict(), file)
            file.seek(0)
            stream = streaming.stream()
            stream.load_state_dict(torch.load(file, weights_only=True))
        assert len(stream) == len(examples), f"{task.name}: a restored stream lost rows"
        for row, (raw, end) in enumerate(zip(examples, ends, strict=True)):
            _check_answer(streaming, found.to_dict(), row, _part(raw, 0, end))


def _check_answer(task: SequenceTask, found: dict[str, Any], row: int, raw: Any) -> None:
    try:
        expected = task.predict(raw)
    except UserError:
        return  # Too short to be judged: a stream waits for more.
    for name, column in expected.to_dict().items():
        if column and isinstance(column[0], float):
            mine = torch.tensor(found[name][row * len(column) : (row + 1) * len(column)])
            close = torch.allclose(mine, torch.tensor(column), 1e-5, 1e-5, equal_nan=True)
            assert close, f"{task.name}: {name} of a stream is {mine.tolist()}, of predict {column}"


def _one_way(task: SequenceTask) -> SequenceTask | None:
    """Return the task, or one like it that does not look ahead; None where it never streams."""
    refused = ""
    try:
        task.stream()
    except UserError as error:
        refused = str(error)
    if not refused:
        return task.eval()
    options = copy.deepcopy(dict(task.hparams))
    if not options.get("backbone", {}).get("bidirectional"):
        return None
    named = "bidirectional=false" in refused or "cannot stream" in refused
    assert named, f"{task.name}: stream() names no option to change: {refused}"
    options["backbone"]["bidirectional"] = False
    if "causal" in options:
        options["causal"] = True
    return _one_way(type(task)(**options))


def _length(raw: Any) -> int:
    """Return the steps of a raw input that can be cut into pieces, 0 for others."""
    raw = raw[0] if isinstance(raw, tuple) else raw
    sliceable = isinstance(raw, str | Tensor | np.ndarray | pd.DataFrame)
    return len(raw) if sliceable else 0


def _part(raw: Any, start: int, end: int | None) -> Any:
    if isinstance(raw, tuple):
        return (raw[0][start:end], *raw[1:])
    return raw.iloc[start:end] if isinstance(raw, pd.DataFrame) else raw[start:end]


def _check_export(task: SequenceTask, data: SequenceDataModule, batch: Any) -> None:
    try:
        module = task.export_module(lambda: batch)
        require_onnx()
    except UserError:
        # No extra, or a task that says nothing of how it is exported.
        return
    examples = data.raw_examples(3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.onnx"
        write_onnx(module, path)
        run = open_onnx(path, num_threads=1)
    require_equal(module, run)
    for example in examples:
        expected = task.predict(example).to_frame()
        with answering(module, run):
            found = task.predict(example).to_frame()
        numbers = expected.select_dtypes("number").columns
        torch.testing.assert_close(
            torch.tensor(found[numbers].to_numpy(float)),
            torch.tensor(expected[numbers].to_numpy(float)),
            rtol=TOLERANCE,
            atol=TOLERANCE,
            equal_nan=True,
        )


def not_plain(value: Any, where: str = "hparams") -> Iterator[str]:
    """Name everything in ``value`` that safe loading would refuse."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from not_plain(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from not_plain(inner, f"{where}[{index}]")
    elif type(value) not in (str, int, float, bool, type(None)):
        yield f"{where} is a {type(value).__module__}.{type(value).__qualname__}"


def tensors(output: Any) -> Iterator[Tensor]:
    """Return the tensors in a task's output, whatever holds them."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from tensors(part)
