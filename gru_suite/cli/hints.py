"""Hints in error messages: the nearest key, the type of value that a key takes."""

from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra import initialize_config_dir, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from gru_suite.cli.help import option_groups
from gru_suite.cli.hydra_call import HydraCall, override_key
from gru_suite.errors import closest, nearest

_MAX_PLACES = 3


def nearest_key(call: HydraCall, wrong: str) -> str:
    """Return a hint for a key that the config does not have.

    In order of preference: a key of the same name in another group, a similar key in the same
    group, a similar key anywhere, and a list of the keys of the group.
    """
    keys = [key for key in _keys(call, wrong) if key != wrong]
    parent, _, leaf = wrong.rpartition(".")
    same_leaf = [key for key in keys if key.rpartition(".")[2] == leaf]
    if same_leaf:
        return f"; did you mean {' or '.join(map(repr, same_leaf[:_MAX_PLACES]))}?"
    while parent and parent not in keys:
        parent = parent.rpartition(".")[0]
    inside = f"{parent}." if parent else ""
    siblings = [key for key in keys if key.startswith(inside) and "." not in key[len(inside) :]]
    groups = [] if parent else [group for group in option_groups() if group != wrong]
    by_leaf = {key.rpartition(".")[2]: key for key in reversed(keys)}
    near_leaf = closest(leaf, by_leaf)
    found = (
        closest(wrong, [*siblings, *groups])
        or closest(wrong, keys)
        or (by_leaf[near_leaf] if near_leaf is not None else None)
    )
    return f"; did you mean {found!r}?" if found else nearest("", siblings)


def mistyped_override(call: HydraCall) -> str | None:
    """Return a message about the first override whose value has another type than the default.

    Only to explain a failure: some keys take values of several types.
    """
    groups = option_groups()
    choices = [override for override in call.overrides if override_key(override) in groups]
    defaults = _compose_valid(call, choices)
    if defaults is None:
        return None
    for override in (o for o in call.overrides if o not in choices):
        key = override_key(override)
        try:
            default = OmegaConf.select(defaults, key, throw_on_missing=False)
            value = OverridesParser.create().parse_override(override).value()
        except Exception:
            # A hint must not replace the error that it explains.
            continue
        expected = _expected(default, value)
        if expected is not None:
            return f"{key}={_value(override)}: {expected} is needed here"
    return None


def _expected(default: Any, value: Any) -> str | None:
    """Return the expected type of a value in words; None if the value may be valid."""
    if value is None or default is None or (isinstance(value, str) and "${" in value):
        return None
    if isinstance(default, DictConfig):
        return None if isinstance(value, dict) else f"a dict with {', '.join(map(str, default))}"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        integer = isinstance(value, int) and not isinstance(value, bool)
        return None if integer else f"a whole number (such as {default})"
    if isinstance(default, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number else f"a number (such as {default})"
    return None


def _value(override: str) -> str:
    return override.partition("=")[2]


def _keys(call: HydraCall, wrong: str) -> list[str]:
    others = [override for override in call.overrides if override_key(override) != wrong]
    config = _compose_valid(call, others)
    if config is None:
        return []
    ours = wrong.partition(".")[0] != "hydra"
    return [key for key in _key_names(config) if (key.partition(".")[0] != "hydra") == ours]


def _key_names(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        for key, value in node.items_ex(resolve=False):
            yield prefix + str(key)
            yield from _key_names(value, f"{prefix}{key!s}.")


def _compose_valid(call: HydraCall, overrides: Sequence[str]) -> DictConfig | None:
    """Compose the config with those overrides that are valid."""
    config = _compose(call, overrides)
    if config is not None:
        return config
    kept: list[str] = []
    config = _compose(call, kept)
    for override in overrides:
        attempt = _compose(call, [*kept, override])
        if attempt is not None:
            config = attempt
            kept.append(override)
    return config


def _compose(call: HydraCall, overrides: Sequence[str]) -> DictConfig | None:
    GlobalHydra.instance().clear()
    try:
        if call.config_dir is not None:
            context: Any = initialize_config_dir(call.config_dir, "gru-suite", "1.3")
        else:
            context = initialize_config_module("gru_suite.conf", "gru-suite", "1.3")
        with context:
            return hydra.compose(call.config_name, list(overrides), return_hydra_config=True)
    except Exception:
        # Failures of configs that are composed for a hint are not of interest.
        return None
