"""Evaluation mode as a context manager."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode within the block, and restore its mode afterwards."""
    training = module.training
    # Setting the mode walks over all modules: as expensive as a step of a stream.
    if training:
        module.eval()
    try:
        yield
    finally:
        if training:
            module.train()
