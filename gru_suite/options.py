"""Checks of options from YAML or a checkpoint.

Every message has the key, the value found and what is needed.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from gru_suite.errors import UserError, nearest

T = TypeVar("T")


def build(make: Callable[..., T], section: str, options: dict[str, Any] | None, **given: Any) -> T:
    """Call ``make`` with a group of options, after a check of their names.

    Args:
        make: called with the options as keyword arguments.
        section: the group's name in error messages, such as ``data.augment``.
        options: the user's options; None is an empty group.
        **given: further arguments, which are not options.

    Raises:
        UserError: an option that ``make`` does not have, or another value than true or false for
            one of these.
    """
    known = [name for name in inspect.signature(make).parameters if name not in given]
    for key in options or {}:
        if key not in known:
            raise UserError(f"{section}.{key}: no such option{nearest(str(key), known)}")
    check_flags(section, make, options or {})
    return make(**given, **(options or {}))


def check_flags(section: str, make: Callable[..., Any], options: Mapping[Any, Any]) -> None:
    """Raise UserError for a value that is not true or false where the default of ``make`` is."""
    for name, parameter in inspect.signature(make).parameters.items():
        if isinstance(parameter.default, bool) and name in options:
            check_flag(f"{section}.{name}", options[name])


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise UserError unless a value is a number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"{name}={value!r}: needs a number from {low:g} to {high:g}")


def check_share(key: str, value: Any) -> None:
    """Raise UserError unless a value is a number from 0 to below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UserError(f"{key}={value!r}: needs a number from 0 to below 1")


def check_positive(key: str, value: Any) -> None:
    """Raise UserError unless a value is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UserError(f"{key}={value!r}: needs a number above 0")


def check_count(key: str, value: Any, least: int) -> None:
    """Raise UserError unless a value is an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{key}={value}: a whole number of at least {least} is needed")


def check_flag(key: str, value: Any) -> None:
    """Raise UserError unless a value is true or false."""
    if not isinstance(value, bool):
        raise UserError(f"{key}={value}: needs true or false")


def check_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise UserError, with the nearest choice, unless a value is one of the choices."""
    if value not in choices:
        raise UserError(f"{key}={value}: no such choice{nearest(str(value), choices)}")


def check_ranges(section: str, options: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise UserError unless attributes are numbers within their ranges.

    Args:
        section: name of the group in error messages, such as ``data.augment``.
        options: object with the attributes.
        ranges: lowest and highest value by attribute.
    """
    for name, (low, high) in ranges.items():
        check_number(f"{section}.{name}", getattr(options, name), low, high)
