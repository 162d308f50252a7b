"""Options of configs, and those that the signature of a class has."""

import inspect
from typing import Any

from omegaconf import OmegaConf

GIVEN_BY_THE_RUN = {"self", "schema", "backbone", "optimizer", "scheduler"}


def options_of(kind: type) -> dict[str, Any]:
    """Return the defaults of the options that a config gives."""
    parameters = inspect.signature(kind).parameters
    return {name: p.default for name, p in parameters.items() if name not in GIVEN_BY_THE_RUN}


def plain(node: Any) -> dict[str, Any]:
    """Return a config as plain data, without its target and its like."""
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if not str(key).startswith("_")}
