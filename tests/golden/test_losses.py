"""What a refactoring must not change: losses of seeded training, and names of weights.

``python tests/golden/test_losses.py`` writes the file anew; say in the commit why it changed.
"""

import json
import sys
import tempfile
from pathlib import Path

import pytest
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from golden_fixtures import CELLS, TASKS, losses, make

FILE = Path(__file__).parent / "losses.json"
CASES = [(task, cell) for task in TASKS for cell in CELLS]


@pytest.mark.parametrize(("task", "cell"), CASES)
def test_losses_of_seeded_training(task: str, cell: str, tmp_path: Path) -> None:
    expected = json.loads(FILE.read_text())["losses"][f"{task} {cell}"]
    assert losses(task, cell, tmp_path) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("task", "cell"), CASES)
def test_names_and_order_of_the_weights(task: str, cell: str, tmp_path: Path) -> None:
    """Checkpoints of users hold these names."""
    expected = json.loads(FILE.read_text())["weights"][f"{task} {cell}"]
    assert list(make(task, cell, tmp_path)[0].state_dict()) == expected


def golden(folder: Path) -> dict[str, dict[str, list[float] | list[str]]]:
    found: dict[str, dict[str, list[float] | list[str]]] = {"losses": {}, "weights": {}}
    for task, cell in CASES:
        place = folder / task / cell
        place.mkdir(parents=True)
        found["losses"][f"{task} {cell}"] = [
            float(f"{loss:.7g}") for loss in losses(task, cell, place)
        ]
        found["weights"][f"{task} {cell}"] = list(make(task, cell, place)[0].state_dict())
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        FILE.write_text(json.dumps(golden(Path(name)), indent=1) + "\n")
