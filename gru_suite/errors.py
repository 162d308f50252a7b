"""The one exception for the user's mistakes, and the hint that names the nearest right thing."""

import difflib
from collections.abc import Iterable

_MAX_LISTED = 10


class UserError(ValueError):
    """A mistake of the user's, told in one or two lines.

    The message says what was found, what is needed and the nearest right thing. The command line
    prints it without a traceback and exits with code 2.
    """


def closest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that looks most like ``name``, or None when nothing is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint to append to an error message about an unknown name.

    Args:
        name: what was found.
        choices: the names that would have been right.

    Returns:
        ``; did you mean 'temp'?`` when something is close, else ``; choose one of a, b, c`` (at
        most ten names), else the empty string when there are no choices.
    """
    names = list(dict.fromkeys(str(choice) for choice in choices))
    best = closest(str(name), names)
    if best is not None:
        return f"; did you mean {best!r}?"
    if not names:
        return ""
    listed = ", ".join(names[:_MAX_LISTED])
    more = f", ... ({len(names)} in all)" if len(names) > _MAX_LISTED else ""
    return f"; choose one of {listed}{more}"
