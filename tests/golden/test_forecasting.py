"""What a refactoring must not change: losses of seeded training, names of weights and of options.

``python tests/golden/test_forecasting.py`` writes the file anew; say in the commit why it changed.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from forecasting_parts import make_batch, make_schema, make_task

from gru_suite.testing.contract import compose_config

FILE = Path(__file__).parent / "forecasting.json"
CELLS = ("gru", "lstm", "rnn")
STEPS = 20


def losses(cell: str) -> list[float]:
    """Return the losses of a few Adam steps on one batch."""
    schema = make_schema()
    backbone = {"cell": cell, "hidden_size": 8}
    task = make_task(schema, backbone=backbone, skip="trained", normalization="level")
    batch = make_batch(schema)
    optimizer = torch.optim.Adam(task.parameters(), lr=1e-2)
    found = []
    for _ in range(STEPS):
        loss = task.loss(task(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def keys(node: Any, prefix: str = "") -> list[str]:
    """Return the dotted keys of a config."""
    if not isinstance(node, dict):
        return [prefix]
    return [key for name in node for key in keys(node[name], f"{prefix}.{name}".lstrip("."))]


def golden() -> dict[str, Any]:
    weights = {cell: list(make_task(backbone={"cell": cell}).state_dict()) for cell in CELLS}
    options = keys(json.loads(json.dumps(plain(compose_config([])))))
    return {"losses": {cell: losses(cell) for cell in CELLS}, "weights": weights, "keys": options}


def plain(config: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize("cell", CELLS)
def test_losses_of_seeded_training(cell: str) -> None:
    assert losses(cell) == pytest.approx(json.loads(FILE.read_text())["losses"][cell], rel=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_names_of_the_weights(cell: str) -> None:
    """Checkpoints of users hold these names."""
    weights = list(make_task(backbone={"cell": cell}).state_dict())
    assert weights == json.loads(FILE.read_text())["weights"][cell]


def test_keys_of_the_command_line() -> None:
    """Scripts of users set these keys."""
    assert keys(plain(compose_config([]))) == json.loads(FILE.read_text())["keys"]


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n")
