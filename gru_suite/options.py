"""Groups of options that come as a dict from YAML or a checkpoint."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from gru_suite.errors import UserError, nearest

T = TypeVar("T")


def build(make: Callable[..., T], section: str, options: dict[str, Any] | None, **given: Any) -> T:
    """Call ``make`` with a group of options, refusing what it does not know.

    Args:
        make: takes the options by name.
        section: the group's name in error messages, such as ``data.augment``.
        options: the user's; None is an empty group.
        **given: further arguments, which are not the user's to set.

    Raises:
        UserError: an option that ``make`` does not have.
    """
    known = [name for name in inspect.signature(make).parameters if name not in given]
    for key in options or {}:
        if key not in known:
            raise UserError(f"{section}.{key}: no such option{nearest(str(key), known)}")
    return make(**given, **(options or {}))


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Refuse what is no number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"{name}={value!r}: needs a number from {low:g} to {high:g}")
