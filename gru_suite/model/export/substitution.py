"""Predictions of a model computed by its export."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.parity import Runner


@contextmanager
def exported_outputs(module: ExportModule, run: Runner) -> Iterator[None]:
    """Replace the model's ``forward`` by its export within the block.

    Predictions and metrics are then those of the export.
    """

    def forward(batch: Any) -> Any:
        return module.to_output(list(run(module.from_batch(batch))), batch)

    module.model.forward = forward
    try:
        yield
    finally:
        del module.model.forward
