"""8-bit weights in ONNX files.

Weights alone, not activations: the recurrence would carry rounded states through hundreds of steps,
onnxruntime has no 8-bit kernel for GRU and RNN, and log-mel energies span more than 8 bits. Each
output channel has a scale of its own. onnxruntime turns the weights back into floats when it loads
the file, and the rows of a table when they are looked up.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Smaller tensors do not save the size of a node, and biases need precision.
_SMALLEST = 512
# In a narrower table a scale would be as large as its row: 16 bits a number instead.
_NARROW = 16
_TABLES = ("Gather", "GatherND")


def _rows(weight: Array) -> Array:
    largest: Array = np.abs(weight).max(-1, keepdims=True)
    return largest


def _columns(weight: Array) -> Array:
    largest: Array = np.abs(weight).max(tuple(range(weight.ndim - 1)), keepdims=True)
    return largest


def _filters(weight: Array) -> Array:
    largest: Array = np.abs(weight).max(tuple(range(1, weight.ndim)), keepdims=True)
    return largest


_CHANNELS: dict[str, Callable[[Array], Array]] = {
    "MatMul": _columns,
    "Conv": _filters,
    "GRU": _rows,
    "LSTM": _rows,
    "RNN": _rows,
}


def quantize_weights(source: Path, target: Path, kept: Collection[str] = ()) -> int:
    """Write a copy of an ONNX file with 8-bit weights.

    Args:
        source: a file of 32-bit weights.
        target: the copy.
        kept: names of constants that were computed and not learned, and stay as they are.

    Returns:
        How many weights were changed.
    """
    import onnx

    model = onnx.load(str(source))
    graph = model.graph
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    changed = 0
    first: list[Any] = []
    for initializer in list(graph.initializer):
        nodes = users.get(initializer.name, [])
        kinds = {node.op_type for node in nodes}
        large = np.prod(initializer.dims) >= _SMALLEST
        floats = initializer.data_type == onnx.TensorProto.FLOAT
        if not large or not floats or initializer.name in kept or len(kinds) != 1:
            continue
        kind = kinds.pop()
        weight = onnx.numpy_helper.to_array(initializer)
        if kind in _CHANNELS and len(initializer.dims) > 1:
            first += _restore(graph, initializer.name, weight, _CHANNELS[kind](weight))
        elif kind in _TABLES and all(node.input[0] == initializer.name for node in nodes):
            for node in nodes:
                after = list(_look_up(graph, node, weight))
                place = list(graph.node).index(node) + 1
                for offset, each in enumerate(after):
                    graph.node.insert(place + offset, each)
        else:
            continue
        graph.initializer.remove(initializer)
        changed += weight.size
    for each in reversed(first):
        graph.node.insert(0, each)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))
    return changed


def _codes(weight: Array, largest: Array) -> tuple[NDArray[np.int8], Array]:
    scale = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def _restore(graph: Any, name: str, weight: Array, largest: Array) -> Iterator[Any]:
    """Yield the nodes that compute the weight from codes and scales."""
    codes, scale = _codes(weight, largest)
    _add(graph, f"{name}_codes", codes)
    _add(graph, f"{name}_scale", scale)
    yield _cast(f"{name}_codes", f"{name}_rounded")
    yield _node("Mul", [f"{name}_rounded", f"{name}_scale"], name)


def _look_up(graph: Any, node: Any, weight: Array) -> Iterator[Any]:
    """Replace the table of a lookup by its codes, and yield the nodes that dequantize them."""
    name, output = node.input[0], node.output[0]
    narrow = weight.ndim < 2 or weight.shape[-1] < _NARROW
    if narrow:
        _add(graph, f"{name}_half", weight.astype(np.float16))
    else:
        codes, scale = _codes(weight, _rows(weight))
        _add(graph, f"{name}_codes", codes)
        _add(graph, f"{name}_scale", scale)
    node.input[0] = f"{name}_half" if narrow else f"{name}_codes"
    node.output[0] = f"{output}_code"
    if narrow:
        yield _cast(f"{output}_code", output)
        return
    scales = type(node)()
    scales.CopyFrom(node)
    scales.name = f"{node.name}_scale"
    scales.input[0], scales.output[0] = f"{name}_scale", f"{output}_scale"
    yield scales
    yield _cast(f"{output}_code", f"{output}_rounded")
    yield _node("Mul", [f"{output}_rounded", f"{output}_scale"], output)


def _add(graph: Any, name: str, values: NDArray[Any]) -> None:
    import onnx

    if name not in {each.name for each in graph.initializer}:
        graph.initializer.append(onnx.numpy_helper.from_array(values, name))


def _cast(source: str, target: str) -> Any:
    import onnx

    return onnx.helper.make_node("Cast", [source], [target], target, to=onnx.TensorProto.FLOAT)


def _node(kind: str, sources: list[str], target: str) -> Any:
    import onnx

    return onnx.helper.make_node(kind, sources, [target], f"{target}_{kind}")
