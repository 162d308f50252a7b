"""The backbone's weights: alone from a checkpoint, as safetensors, as plain torch modules."""

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from forecasting_fixtures import make_task
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import gru_suite
from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.table import CELLS

SHAPES: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "dropout": 0.3},
    {"bidirectional": True, "num_layers": 2},
]
PLAIN = [("gru", nn.GRU), ("lstm", nn.LSTM), ("rnn", nn.RNN)]


def save(path: Path, **options: Any) -> Path:
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(make_task(**options))
    trainer.save_checkpoint(path)
    return path


def outputs(module: nn.Module) -> Tensor:
    x_BTF = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        h_BTH: Tensor = module(x_BTF)[0]
    return h_BTH


def assert_same(left: nn.Module, right: nn.Module) -> None:
    torch.testing.assert_close(outputs(left), outputs(right), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_backbone_comes_alone_from_a_checkpoint(tmp_path: Path, cell: str) -> None:
    backbone = {"cell": cell, "hidden_size": 8, "init_from": "gone.ckpt", "freeze_epochs": 2}
    path = save(tmp_path / "best.ckpt", backbone=backbone)
    found = gru_suite.load_backbone(path)
    assert not found.training
    expected = make_task(backbone=backbone).model.backbone.state_dict()
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
    # What the training started from need not be there to load what came of it.
    assert gru_suite.load(path).options["backbone"] == backbone


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_safetensors_there_and_back(tmp_path: Path, cell: str, shape: dict[str, Any]) -> None:
    backbone = RecurrentBackbone(5, cell, 4, **shape).eval()
    path = gru_suite.save_backbone(backbone, tmp_path / "weights.safetensors")
    again = gru_suite.load_backbone(path)
    assert again.options == backbone.options
    assert_same(again, backbone)
    with safe_open(path, "pt") as file:
        assert sorted(file.keys()) == sorted(backbone.rnn.state_dict())


def test_damaged_and_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = gru_suite.save_backbone(RecurrentBackbone(5), tmp_path / "w.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"w\.safetensors: not a complete safetensors file"):
        gru_suite.load_backbone(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="not written by save_backbone"):
        gru_suite.load_backbone(path)
    facts = '{"format": 99, "cell": "gru", "input_size": 5}'
    save_file({"a": torch.zeros(2)}, path, {"gru_suite": facts})
    with pytest.raises(UserError, match=r"format 99.*upgrade"):
        gru_suite.load_backbone(path)
    save_file({"a": torch.zeros(2)}, path, {"gru_suite": facts.replace("99", "1")})
    with pytest.raises(UserError, match="does not fit this version"):
        gru_suite.load_backbone(path)
    with pytest.raises(UserError, match=r"none\.safetensors: no such file"):
        gru_suite.load_backbone(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=r"end the name so"):
        gru_suite.save_backbone(RecurrentBackbone(5), tmp_path / "weights.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.safetensors"]


def test_a_checkpoint_without_a_backbone_says_so(tmp_path: Path) -> None:
    path = save(tmp_path / "best.ckpt")
    content = torch.load(path, weights_only=True)
    content["state_dict"] = {}
    torch.save(content, path)
    with pytest.raises(UserError, match="holds no recurrent backbone"):
        gru_suite.load_backbone(path)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cell", "module"), PLAIN)
def test_to_torch_gives_the_equal_module(cell: str, module: Any, shape: dict[str, Any]) -> None:
    backbone = RecurrentBackbone(5, cell, 4, **shape).eval()
    plain = backbone.to_torch()
    assert type(plain) is module
    assert_same(plain, backbone)
    # A copy: training one leaves the other.
    nn.init.zeros_(plain.weight_ih_l0)
    assert backbone.rnn.weight_ih_l0.abs().sum() > 0


def test_what_torch_has_not_says_so() -> None:
    with pytest.raises(UserError, match=r"cell=gru with backbone\.activation=relu has no equal"):
        RecurrentBackbone(5, "gru", activation="relu").to_torch()
    relu = RecurrentBackbone(5, "rnn", 4, activation="relu").eval()
    assert_same(relu.to_torch(), relu)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cell", "module"), PLAIN)
def test_from_torch_gives_the_equal_backbone(
    cell: str, module: Any, shape: dict[str, Any], bias: bool, batch_first: bool
) -> None:
    plain = module(5, 4, bias=bias, batch_first=batch_first, **shape).eval()
    before = copy.deepcopy(plain.state_dict())
    backbone = RecurrentBackbone.from_torch(plain)
    assert backbone.options["cell"] == cell
    plain.batch_first = True
    assert_same(backbone, plain)
    nn.init.zeros_(backbone.rnn.weight_ih_l0)
    torch.testing.assert_close(plain.state_dict(), before)


def test_from_torch_keeps_type_and_mode_and_refuses_the_rest() -> None:
    backbone = RecurrentBackbone.from_torch(nn.RNN(5, 4, nonlinearity="relu").double())
    assert backbone.training
    assert backbone.rnn.weight_ih_l0.dtype == torch.float64
    assert backbone.options["activation"] == "relu"
    with pytest.raises(UserError, match="proj_size=2"):
        RecurrentBackbone.from_torch(nn.LSTM(5, 4, proj_size=2))
    with pytest.raises(UserError, match="GRUCell: needs a torch"):
        RecurrentBackbone.from_torch(nn.GRUCell(5, 4))  # type: ignore[arg-type]
