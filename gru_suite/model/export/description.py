"""The JSON description of an exported model, for the programs that run it."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.parity import TOLERANCE, Check
from gru_suite.model.sequence_model import SequenceModel

_PACKAGES = ("gru-suite", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors")


def describe(
    model: SequenceModel, module: ExportModule | None, check: Check | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the description as plain data.

    Args:
        model: what was exported.
        module: as a function of tensors; None for weights alone.
        check: result of the comparison with the model.
        facts: further entries, which come first.
    """
    kind = type(model)
    found: dict[str, Any] = {
        **facts,
        "task": model.name,
        "model_class": f"{kind.__module__}:{kind.__qualname__}",
        "num_parameters": model.num_parameters,
        "backbone": dict(model.options.get("backbone", {})),
    }
    if module is not None:
        found["inputs"] = [port.describe() for port in module.inputs]
        found["outputs"] = [port.describe() for port in module.outputs]
        found["labels"] = module.labels
        found["preprocessing"] = dict(module.preprocessing)
    if check is not None:
        found["check"] = {
            "largest_difference": check.difference,
            "tolerance": TOLERANCE,
            "sizes": [list(case) for case in check.cases],
        }
    found["versions"] = {name: _version(name) for name in _PACKAGES if _version(name)}
    return found


def write_description(path: Path, found: Mapping[str, Any]) -> Path:
    """Write the description beside the model at ``path``; return its path."""
    target = path.with_name(f"{path.name}.json")
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(found, indent=1, allow_nan=False), encoding="utf-8")
    return target


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
