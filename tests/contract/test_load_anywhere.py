"""Checkpoints of every task and cell in other programs: no Hydra, no data, foreign folders."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from small_data import LESS_EMBEDDED
from trainers import quiet_trainer

import gru_suite
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.nn.cells.table import CELLS
from gru_suite.plugins import available_tasks
from gru_suite.testing.contract import compose_config
from gru_suite.training.trainer import build_data, build_task

TASKS = [task.name for task in available_tasks()]
SCRIPT = """
import pickle, sys
import gru_suite

for name, path, raw, expected in pickle.load(open("inputs.pickle", "rb")):
    model = gru_suite.load(path)
    heavy = {"pytorch_lightning", "torchmetrics", "hydra", "omegaconf", "sklearn", "matplotlib"}
    assert not heavy & sys.modules.keys(), (name, heavy & sys.modules.keys())
    assert not model.training, name
    found = model.predict(raw).to_dict()
    assert found.keys() == expected.keys(), name
    for key, column in found.items():
        for left, right in zip(column, expected[key], strict=True):
            near = isinstance(left, float) and abs(left - right) <= 1e-5 * max(1, abs(right))
            assert near or left == right, (name, key, left, right)
    model.predict([raw, raw]).to_frame()
    gru_suite.load_backbone(path)
    assert not heavy & sys.modules.keys(), (name, heavy & sys.modules.keys())
for module in ("tasks", "conf"):
    assert module not in sys.modules, module
print("loaded")
"""


class Kept(NamedTuple):
    """A data module, with the checkpoints and predictions of tasks built for it, by cell."""

    data: SequenceDataModule
    paths: dict[str, Path]
    raw: Any
    expected: dict[str, Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: make(name, folder) for name in TASKS}


def make(name: str, folder: Path) -> Kept:
    torch.manual_seed(0)
    cfg = compose_config([f"task={name}", "debug=tiny", *LESS_EMBEDDED.get(name, [])])
    data = build_data(cfg)
    raw = data.raw_examples(2)[-1]
    paths, expected = {}, {}
    for cell in CELLS:
        cfg.backbone.cell = cell
        task = build_task(cfg, data).eval()
        trainer = quiet_trainer()
        trainer.strategy.connect(task)
        paths[cell] = folder / f"{name}_{cell}.ckpt"
        trainer.save_checkpoint(paths[cell])
        expected[cell] = task.predict(raw).to_dict()
    return Kept(data, paths, raw, expected)


def test_a_process_without_hydra_in_a_foreign_folder(kept: dict[str, Kept], tmp_path: Path) -> None:
    for package in ("tasks", "conf"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    (tmp_path / "conf" / "train.yaml").write_text("nothing: of ours\n")
    inputs = [
        (f"{name} {cell}", str(path), each.raw, each.expected[cell])
        for name, each in kept.items()
        for cell, path in each.paths.items()
    ]
    (tmp_path / "inputs.pickle").write_bytes(pickle.dumps(inputs))
    (tmp_path / "other.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "other.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "loaded\n", done.stderr


# Lightning's remarks on loaders without workers, a fit without validation, and modules that
# `load_task` had put in evaluation mode.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.parametrize("name", TASKS)
def test_training_goes_on_in_plain_lightning_code(kept: dict[str, Kept], name: str) -> None:
    task = gru_suite.load_task(kept[name].paths["gru"])
    before = {key: value.clone() for key, value in task.state_dict().items()}
    modes: list[bool] = []

    def note(module: torch.nn.Module, *_: object) -> None:
        # A tracker follows its own boxes first, in evaluation mode and without gradients.
        if torch.is_grad_enabled():
            modes.append(module.training)

    task.model.backbone.register_forward_hook(note)
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=2)
    trainer.fit(task, kept[name].data.train_dataloader())
    assert modes
    assert all(modes), "trained in evaluation mode, so without dropout"
    moved = [k for k, p in task.model.named_parameters() if not torch.equal(p, before[k])]
    assert any(key.startswith("backbone.") for key in moved)


@pytest.mark.parametrize("name", TASKS)
def test_lightnings_own_loading_gives_the_same(kept: dict[str, Kept], name: str) -> None:
    path = kept[name].paths["gru"]
    kind = type(gru_suite.load_task(path))
    task = kind.load_from_checkpoint(path, map_location="cpu").eval()
    assert task.predict(kept[name].raw).to_dict() == kept[name].expected["gru"]
