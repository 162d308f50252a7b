"""``torch.export`` programs with torch's recurrent operators and dynamic time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.parity import Runner, as_tuple
from gru_suite.model.export.tracing import dynamic_shapes, tracing

# The kernels by which torch.export infers shapes. By default it decomposes the recurrences into
# steps, which fixes their number to that of the example.
_KEY = torch._C.DispatchKey.CompositeImplicitAutograd


def _shapes(x_BTF: Tensor, state_LBH: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    bidirectional = bool(options[5])
    size = state_LBH.size(2) * (2 if bidirectional else 1)
    return x_BTF.new_empty(x_BTF.size(0), x_BTF.size(1), size), torch.empty_like(state_LBH)


def _lstm_shapes(x_BTF: Tensor, states: Sequence[Tensor], *options: Any) -> tuple[Tensor, ...]:
    return *_shapes(x_BTF, states[0], *options), torch.empty_like(states[1])


_RULES: dict[Any, Callable[..., tuple[Tensor, ...]]] = {
    torch.ops.aten.gru.input: _shapes,
    torch.ops.aten.rnn_tanh.input: _shapes,
    torch.ops.aten.rnn_relu.input: _shapes,
    torch.ops.aten.lstm.input: _lstm_shapes,
}


@contextmanager
def whole_recurrences() -> Iterator[None]:
    """Trace ``gru``, ``lstm`` and ``rnn`` as single operators of dynamic length."""
    kept = {op: op.py_kernels.get(_KEY) for op in _RULES}
    try:
        for op, rule in _RULES.items():
            # The kernel of an earlier trace is cached.
            op._dispatch_cache.clear()
            op.py_kernels[_KEY] = rule
        yield
    finally:
        for op, kernel in kept.items():
            op._dispatch_cache.clear()
            if kernel is None:
                del op.py_kernels[_KEY]
            else:
                op.py_kernels[_KEY] = kernel


def write_program(module: ExportModule, path: Path) -> None:
    """Write a module as a ``torch.export`` program with any batch size and number of steps.

    Raises:
        ExportError: torch cannot trace it.
    """
    with tracing(module, "torch_export") as inputs, whole_recurrences():
        program = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes(module))
        torch.export.save(program, path)


def open_program(path: Path) -> Runner:
    """Return a function that runs a file of :func:`write_program`."""
    program = torch.export.load(path).module()

    @torch.no_grad()
    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return as_tuple(program(*inputs))

    return run
