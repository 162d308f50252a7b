"""What a refactoring must not change: losses of seeded training, and names of weights.

``python tests/golden/test_forecasting.py`` writes the file anew; say in the commit why it changed.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from forecasting_fixtures import make_batch, make_schema, make_task
from golden_fixtures import adam_losses

FILE = Path(__file__).parent / "forecasting.json"
CELLS = ("gru", "lstm", "rnn")


def losses(cell: str) -> list[float]:
    """Return the losses of a few Adam steps on one batch."""
    schema = make_schema()
    backbone = {"cell": cell, "hidden_size": 8}
    task = make_task(schema, backbone=backbone, skip="trained", normalization="level")
    return adam_losses(task, make_batch(schema), 1e-2)


def golden() -> dict[str, Any]:
    weights = {cell: list(make_task(backbone={"cell": cell}).state_dict()) for cell in CELLS}
    return {"losses": {cell: losses(cell) for cell in CELLS}, "weights": weights}


@pytest.mark.parametrize("cell", CELLS)
def test_losses_of_seeded_training(cell: str) -> None:
    assert losses(cell) == pytest.approx(json.loads(FILE.read_text())["losses"][cell], rel=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_names_of_the_weights(cell: str) -> None:
    """Checkpoints of users hold these names."""
    weights = list(make_task(backbone={"cell": cell}).state_dict())
    assert weights == json.loads(FILE.read_text())["weights"][cell]


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n")
