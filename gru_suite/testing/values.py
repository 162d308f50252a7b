"""Inspection of nested values: plain data, tensors."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def not_plain(value: Any, where: str = "hparams") -> Iterator[str]:
    """Yield a message for each part of ``value`` that safe loading would refuse."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from not_plain(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from not_plain(inner, f"{where}[{index}]")
    elif type(value) not in (str, int, float, bool, type(None)):
        yield f"{where} is a {type(value).__module__}.{type(value).__qualname__}"


def tensors(output: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested dicts, lists and tuples."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from tensors(part)
