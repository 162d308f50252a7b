"""ONNX files, written by torch and run by onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.export.module import ExportModule, Port
from gru_suite.model.export.onnx.backbone import onnx_backbones
from gru_suite.model.export.parity import Runner
from gru_suite.model.export.tracing import dynamic_shapes, tracing

# The newest opset that onnxruntime 1.17 runs.
OPSET = 20
EXTRA = 'onnx needs further packages: pip install "gru-suite[export]"'


def require_onnx() -> None:
    """Check that the packages of the extra ``export`` are installed.

    Raises:
        UserError: names the command that installs them.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"{EXTRA} ({error.name} is missing)") from error


def write_onnx(module: ExportModule, path: Path) -> None:
    """Write a module as one ONNX file with any batch size and number of steps.

    Raises:
        ExportError: torch cannot trace or translate it.
    """
    with tracing(module, "onnx") as inputs, onnx_backbones(module):
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            dynamic_shapes=dynamic_shapes(module),
            input_names=[port.name for port in module.inputs],
            output_names=[port.name for port in module.outputs],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    _name_sizes(program.model.graph.inputs, module.inputs)
    _name_sizes(program.model.graph.outputs, module.outputs)
    program.save(path)


def open_onnx(path: Path, num_threads: int = 0) -> Runner:
    """Return a function that runs an ONNX file on the CPU.

    Args:
        path: the file.
        num_threads: threads; 0 leaves the choice to onnxruntime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    # No notes on constants that could not be folded.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        arrays = {name: each.cpu().numpy() for name, each in zip(names, inputs, strict=True)}
        return [torch.from_numpy(np.asarray(each)) for each in session.run(None, arrays)]

    return run


def _name_sizes(values: Any, ports: Sequence[Port]) -> None:
    """Name dynamic sizes as in the description, instead of s77 and s27."""
    import onnx_ir

    for value, port in zip(values, ports, strict=True):
        value.shape = onnx_ir.Shape(port.shape)
