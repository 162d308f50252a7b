"""Error messages of one or two lines with a hint, and exit codes."""

import os
import re
import sys
import traceback
from functools import partial
from types import TracebackType
from typing import NamedTuple

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from gru_suite.cli.hints import mistyped_override, nearest_key
from gru_suite.cli.hydra_call import HydraCall, override_key
from gru_suite.cli.instantiation_errors import explain_instantiation
from gru_suite.cli.suggestions import meant_option
from gru_suite.errors import UserError, nearest
from gru_suite.sweeps.processes import leave_error

_MAX_LENGTH = 400
_ASK_FOR_TRACEBACK = "set HYDRA_FULL_ERROR=1 for the traceback"


class Explained(NamedTuple):
    """An error with its message.

    Attributes:
        message: one or two lines.
        error: the original exception.
        by_user: whether it is a user error; otherwise it is a bug.
    """

    message: str
    error: BaseException
    by_user: bool = True


def report(error: Exception, call: HydraCall | None, job: str | None) -> int:
    """Print the message of an error on standard error.

    Args:
        error: the exception.
        call: the Hydra command line, if it was parsed.
        job: the failed job of a sweep, empty for a single run; None before a job started.

    Returns:
        The exit code: 2 for a user error, 1 for a bug.
    """
    explained = explain(error, call, job is not None)
    if not explained.by_user or os.environ.get("HYDRA_FULL_ERROR") == "1":
        trace = error if os.environ.get("HYDRA_FULL_ERROR") == "1" else explained.error
        traceback.print_exception(type(trace), trace, _own_frames(trace.__traceback__))
    print(f"gru-suite: error: {job or ''}{explained.message}", file=sys.stderr)
    leave_error(explained.message)
    return 2 if explained.by_user else 1


def explain(error: BaseException, call: HydraCall | None, job_started: bool) -> Explained:
    """Return the message of an error, and whether the user can fix it."""
    if isinstance(error, UserError):
        return Explained(str(error), error)
    if isinstance(error, InstantiationException):
        hint = partial(nearest_key, call) if call is not None else (lambda _: "")
        message, cause, by_user = explain_instantiation(error, hint)
        if message is not None:
            return Explained(message, cause or error, by_user)
        if cause is not None:
            return explain(cause, call, job_started)
    if isinstance(error, HydraException | OmegaConfBaseException):
        # A key that a command does not find is a bug, unless the user deleted keys.
        bug = job_started and isinstance(error, ConfigKeyError | ConfigAttributeError)
        deleted = call is not None and any(o.startswith("~") for o in call.overrides)
        return Explained(_config_message(error, call), error, by_user=not bug or deleted)
    in_hydra = call is not None and not job_started
    if in_hydra and isinstance(error, OSError):
        # Hydra creates the run folder before it calls the job.
        reason = error.strerror or error
        return Explained(f"the run folder {error.filename} cannot be written: {reason}", error)
    if in_hydra and isinstance(error, ValueError):
        return Explained(_hydra_value_message(error, call), error)
    # Lightning's exception for incompatible options and missing devices.
    misconfigured = _name(error) == "MisconfigurationException"
    if call is not None and (misconfigured or isinstance(error, TypeError | ValueError)):
        line = mistyped_override(call)
        if line is not None:
            failure = f"(it failed with {_name(error)}: {short(error)}; {_ASK_FOR_TRACEBACK})"
            return Explained(f"{line}\n{failure}", error)
    if misconfigured:
        return Explained(short(error), error)
    message = f"{_name(error)}: {short(error)}\nThis is a bug in GRU Suite or in a library; "
    return Explained(message + "please report it with the traceback above", error, by_user=False)


def short(error: BaseException | str) -> str:
    """Return a message as one line of limited length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = "; ".join(line.rstrip(".:;") for line in lines)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]} ..."


def _config_message(error: BaseException, call: HydraCall | None) -> str:
    if isinstance(error, OverrideParseException):
        return _parse_error(error)
    if isinstance(error, MissingConfigException):
        return _missing_config(error, call)
    cause = error.__cause__
    if isinstance(error, ConfigCompositionException):
        if not str(error) and cause is not None:
            return _config_message(cause, call)
        return _composition(str(error), cause, call)
    return _omegaconf(error, call)


def _parse_error(error: OverrideParseException) -> str:
    override = error.override
    key, equals, value = override.partition("=")
    reason = str(error).removeprefix(f"Error parsing override '{override}'").strip()
    reason = short(reason.partition("\nSee http")[0].splitlines()[0])
    if not equals:
        return f"{override!r} is no override; write key=value, such as seed=2"
    # The outer quotes are for the shell, the inner ones for Hydra.
    quoted = f"""'{key}="{value}"'"""
    hint = "" if value[:1] in ("'", '"') or not value else f"; for text write {quoted}"
    return f"{override!r} cannot be read ({reason}){hint}"


def _missing_config(error: MissingConfigException, call: HydraCall | None) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if not group:
        return short(str(error).partition(" Check that")[0])
    options = error.options or []
    meant = meant_option(group, option, call.overrides if call is not None else ())
    if meant is not None:
        return f"{group}={option}: there is no such option; did you mean {meant!r}?"
    if not options:
        return f"{group}={option}: there is no such option; {group!r} has none"
    return f"{group}={option}: there is no such option{nearest(option, options)}"


def _composition(text: str, cause: BaseException | None, call: HydraCall | None) -> str:
    key = _between(text, "Could not override '", "'") or _between(
        text, "Could not delete from config. '", "'"
    )
    if key is not None and call is not None and call.config_dir is not None and "list" in text:
        return f"the {key!r} of a rerun is fixed; change its keys instead ({key}.<key>=<value>)"
    if key is not None and "No match in the defaults list" in text:
        choice = _between(text, "To append to your default list use ", "\n")
        verb = call.verb if call is not None else "this"
        return f"{verb} does not choose a {key!r}" + (f"; to add one: {choice}" if choice else "")
    if key is not None:
        hint = nearest_key(call, key) if call is not None and "Did you mean" not in text else ""
        return f"no key {key!r} in the config{hint}" if hint else short(text)
    override = _between(text, "Ambiguous value for argument '", "'\n")
    if override is not None:
        key, _, values = override.partition("=")
        return (
            f"{override} has several values; to run each of them: gru-suite -m {override}, "
            f"as a list: {key}=[{values}]"
        )
    group = _between(text, "You must specify '", "'")
    if group is not None:
        options = [line.strip() for line in text.partition("Available options:")[2].splitlines()]
        return f"{group}= is needed{nearest('', [option for option in options if option])}"
    if cause is not None:
        detail = short(str(cause).splitlines()[0])
        return f"{short(text.removeprefix('Error merging override '))}: {detail}"
    return short(text)


def _omegaconf(error: BaseException, call: HydraCall | None) -> str:
    text = str(error)
    key = _between(text, "full_key: ", "\n") or getattr(error, "full_key", None)
    missing = _between(text, "Missing mandatory value: ", "\n")
    if isinstance(error, MissingMandatoryValue) or missing is not None:
        missing = missing or str(key)
        return f"{missing} is needed; add {missing}=..."
    if isinstance(error, InterpolationKeyError):
        wrong = _between(text, "Interpolation key '", "'") or ""
        hint = nearest_key(call, wrong) if call is not None else ""
        return f"{key}: there is no {wrong!r} to take its value from{hint}"
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and key and call is not None:
        return f"no key {key!r} in the config{nearest_key(call, key)}"
    first = short(text.splitlines()[0]) if text else _name(error)
    return f"{key}: {first}" if key else first


def _hydra_value_message(error: ValueError, call: HydraCall | None) -> str:
    for override in call.overrides if call is not None else ():
        key, _, value = override.partition("=")
        if "Config group override" in str(error) and re.fullmatch(r"[\d.]+|true|false", value):
            return f"{override}: {override_key(key)} is a group; choose one of its options by name"
    return short(error)


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the command on, without the frames of Hydra above it."""
    part = trace
    while part is not None:
        frame = part.tb_frame
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == (
            "gru_suite.cli.main",
            "__call__",
        ):
            return part.tb_next or part
        part = part.tb_next
    return trace


def _between(text: str, start: str, end: str) -> str | None:
    _, found, rest = text.partition(start)
    return rest.partition(end)[0].strip() if found else None


def _name(error: BaseException) -> str:
    return type(error).__name__
