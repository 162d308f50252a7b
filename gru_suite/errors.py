"""The exception for invalid input, and hints with the nearest valid name."""

import difflib
from collections.abc import Iterable

_MAX_LISTED = 10


class UserError(ValueError):
    """Invalid input: a value, option, file or row that the user can correct.

    The message, one or two lines, says what was found, what is needed and the nearest valid choice.
    The command line prints it without a traceback and exits with code 2.
    """


def closest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most similar to ``name``, or None where none is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint to append to an error message about an unknown name.

    Args:
        name: what was found.
        choices: the valid names.

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
    # A name of a damaged file has control characters, which a terminal would obey.
    listed = ", ".join(each if each.isprintable() else repr(each) for each in names[:_MAX_LISTED])
    more = f", ... ({len(names)} in all)" if len(names) > _MAX_LISTED else ""
    return f"; choose one of {listed}{more}"
