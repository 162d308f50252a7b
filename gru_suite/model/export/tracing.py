"""Tracing: example inputs, dynamic sizes, and a readable error."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.errors import ExportError
from gru_suite.model.export.module import ExportModule

# Not 1 and unequal to other sizes of the trace, which torch would take for constant.
_EXAMPLE_ROWS = 3
_CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def dynamic_shapes(module: ExportModule) -> tuple[Any, ...]:
    """Return the dynamic sizes of each input in the form of ``torch.export``."""
    free = torch.export.Dim.DYNAMIC
    shapes = tuple(
        {axis: free for axis, size in enumerate(port.shape) if isinstance(size, str)}
        for port in module.inputs
    )
    kinds = {each.kind for each in inspect.signature(module.forward).parameters.values()}
    return (shapes,) if inspect.Parameter.VAR_POSITIONAL in kinds else shapes


@contextmanager
def tracing(module: ExportModule, kind: str) -> Iterator[tuple[Tensor, ...]]:
    """Yield example inputs for a trace, and explain its failure.

    Args:
        module: in evaluation mode.
        kind: the format, for the error message.

    Raises:
        ExportError: with torch's reason.
    """
    generator = torch.Generator().manual_seed(0)
    inputs = module.examples(_EXAMPLE_ROWS, module.steps[len(module.steps) // 2], generator)
    chatty = [logging.getLogger(name) for name in _CHATTY]
    levels = [each.level for each in chatty]
    try:
        for each in chatty:
            each.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            # Warnings about torch's internals; the file is compared afterwards.
            warnings.simplefilter("ignore")
            yield inputs
    except Exception as error:
        raise ExportError(
            f"torch cannot write this {module.model.name} checkpoint as {kind}: {_reason(error)}"
        ) from error
    finally:
        for each, level in zip(chatty, levels, strict=True):
            each.setLevel(level)


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:3])[:300]}"
