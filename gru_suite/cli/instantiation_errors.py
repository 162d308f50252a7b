"""Messages of Hydra's InstantiationException, from its cause."""

import re
from collections.abc import Callable

from hydra.errors import InstantiationException

# Extras for one logger each.
_EXTRAS = ("tensorboard", "mlflow", "wandb")


def explain_instantiation(
    error: InstantiationException, hint: Callable[[str], str]
) -> tuple[str | None, BaseException | None, bool]:
    """Explain a failed instantiation.

    Args:
        error: what Hydra raised.
        hint: returns what to append to the message about a wrong key.

    Returns:
        A message, or None if that of the cause is enough; the innermost cause, or None; whether it
        is a user error.
    """
    cause: BaseException | None = error.__cause__
    outer: BaseException = error
    while isinstance(cause, InstantiationException):
        outer, cause = cause, cause.__cause__
    text = str(outer)
    key = _match(r"full_key: (\S+)", text) or ""
    if text.startswith("Error locating target"):
        target = _match(r"Error locating target '([^']+)'", text) or ""
        return _unlocated(key, target, cause)
    target = _match(r"Error in call to target '([^']+)'", text) or ""
    if isinstance(cause, TypeError):
        return _bad_call(key, target, cause, hint), cause, True
    if isinstance(cause, ModuleNotFoundError):
        # Lightning names the package of a logger in its message.
        package = _match(r"`([\w.-]+)`", str(cause)) or cause.name or "it"
        extra = next((name for name in _EXTRAS if name in str(cause).lower()), None)
        wanted = f'"gru-suite[{extra}]"' if extra else package
        return f"{key} needs a package that is not installed: pip install {wanted}", cause, True
    if type(cause) is ValueError:
        return f"{key}: {cause}" if key else str(cause), cause, True
    if cause is None:
        return text.splitlines()[0], None, True
    return None, cause, False


def _bad_call(key: str, target: str, cause: TypeError, hint: Callable[[str], str]) -> str | None:
    """Explain arguments that do not fit a signature; None for a TypeError raised in the call."""
    # With more frames than that of Hydra, the target was called and failed.
    if cause.__traceback__ is not None and cause.__traceback__.tb_next is not None:
        return None
    prefix = f"{key}." if key else ""
    unexpected = _match(r"unexpected keyword argument '(\w+)'", str(cause))
    if unexpected is not None:
        wrong = prefix + unexpected
        return f"no key {wrong!r}: {_class(target)} takes no {unexpected!r}{hint(wrong)}"
    missing = re.findall(r"'(\w+)'", str(cause)) if "required" in str(cause) else []
    if missing:
        return f"{', '.join(prefix + name for name in missing)} is needed by {_class(target)}"
    return None


def _unlocated(
    key: str, target: str, cause: BaseException | None
) -> tuple[str, BaseException | None, bool]:
    inner = cause
    while inner is not None and inner.__cause__ is not None:
        inner = inner.__cause__
    where = f"{key}._target_" if key else "_target_"
    # A missing module is a wrong name; a module that fails on import is a bug of its package.
    missing = isinstance(inner, ModuleNotFoundError) and target.startswith(str(inner.name))
    if missing or isinstance(inner, AttributeError) or inner is None:
        return f"{where}={target} cannot be found: {inner}", inner, True
    return f"{where}={target} fails on import: {type(inner).__name__}: {inner}", inner, False


def _class(target: str) -> str:
    return target.rpartition(".")[2]


def _match(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found.group(1) if found else None
