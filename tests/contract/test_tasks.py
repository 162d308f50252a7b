"""Every installed task keeps the contract with every cell."""

import pytest
from small_data import LESS_EMBEDDED

from gru_suite.nn.cells.table import CELLS
from gru_suite.plugins import available_tasks
from gru_suite.testing.contract import check_task, not_plain

TASKS = [task.name for task in available_tasks()]
# Sounds and videos take longest, and what differs between cells does not depend on the encoder.
EVERY_RUN = [(name, cell) for name in TASKS for cell in CELLS if cell == "gru" or name in TASKS[:2]]
SLOW = [(name, cell) for name in TASKS for cell in CELLS if (name, cell) not in EVERY_RUN]


@pytest.mark.parametrize(
    ("name", "cell"),
    [*EVERY_RUN, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SLOW)],
)
def test_task_keeps_the_contract(name: str, cell: str) -> None:
    # ONNX of one cell here; tests/unit/test_export.py has the others.
    check_task(name, cell, LESS_EMBEDDED.get(name, []), export=cell == "gru")


def test_what_safe_loading_would_refuse_is_named() -> None:
    found = list(not_plain({"sizes": [1, {2}], "name": "x", "inner": {"kind": object()}}))
    assert found == [
        "hparams.sizes[1] is a builtins.set",
        "hparams.inner.kind is a builtins.object",
    ]
