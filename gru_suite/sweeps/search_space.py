"""Options of a search, and its search space as overrides."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_suite.errors import UserError
from gru_suite.options import check_choice, check_count

if TYPE_CHECKING:
    import optuna

OPTIONS = {
    "n_trials": 20,
    "parameters": None,
    "seed": 1,
    "study": None,
    "storage": None,
    "startup_trials": None,
    "pruner": "median",
    "pruner_trials": 4,
    "pruner_epochs": 2,
}
PRUNERS = ("median", "none")
_RANGE = {"low", "high", "log", "step"}


def check_search(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a search with their defaults.

    Raises:
        UserError: an option is unknown or impossible.
    """
    from gru_suite.errors import nearest

    for key in options:
        if key not in OPTIONS:
            raise UserError(f"search.{key}: no such option{nearest(str(key), OPTIONS)}")
    chosen = {**OPTIONS, **options}
    check_count("search.n_trials", chosen["n_trials"], 1)
    check_count("search.seed", chosen["seed"], 0)
    for key in ("pruner_trials", "pruner_epochs"):
        check_count(f"search.{key}", chosen[key], 0)
    if chosen["startup_trials"] is not None:
        check_count("search.startup_trials", chosen["startup_trials"], 1)
    check_choice("search.pruner", str(chosen["pruner"]), PRUNERS)
    if not isinstance(chosen["parameters"], Mapping) or not chosen["parameters"]:
        raise UserError(
            "search.parameters is needed: what is searched, such as "
            "{optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}"
        )
    for name, spec in chosen["parameters"].items():
        check_parameter(str(name), spec)
    return chosen


def check_parameter(name: str, spec: Any) -> None:
    """Raise UserError unless ``spec`` is ``{choices: [...]}`` or ``{low:, high:, log:, step:}``."""
    where = f"search.parameters, {name}"
    forms = "needs {choices: [...]} or {low: ..., high: ..., log: true}"
    if not isinstance(spec, Mapping):
        raise UserError(f"{where}: {forms}")
    if "choices" in spec:
        choices = spec["choices"]
        if set(spec) != {"choices"} or not isinstance(choices, Sequence) or not choices:
            raise UserError(f"{where}: {forms}")
        return
    if not {"low", "high"} <= set(spec) <= _RANGE:
        raise UserError(f"{where}: {forms}")
    low, high = spec["low"], spec["high"]
    numbers = [value for value in (low, high) if not isinstance(value, bool)]
    if not all(isinstance(value, int | float) for value in numbers) or len(numbers) < 2:
        raise UserError(f"{where}: low={low!r} and high={high!r} need to be numbers")
    if not low < high or (spec.get("log") and low <= 0):
        least = "0 < low < high" if spec.get("log") else "low < high"
        raise UserError(f"{where}: low={low} and high={high}, where {least} is needed")
    if spec.get("log") and spec.get("step"):
        raise UserError(f"{where}: log and step exclude each other")


def suggest(trial: "optuna.trial.Trial", parameters: Mapping[str, Any]) -> list[str]:
    """Draw a value of each parameter; return them as overrides."""
    overrides = []
    for name, spec in parameters.items():
        if "choices" in spec:
            texts = [override_value(choice) for choice in spec["choices"]]
            overrides.append(f"{name}={trial.suggest_categorical(name, texts)}")
            continue
        low, high, log, step = spec["low"], spec["high"], bool(spec.get("log")), spec.get("step")
        if isinstance(low, int) and isinstance(high, int):
            value: float = trial.suggest_int(name, low, high, step=step or 1, log=log)
        else:
            value = trial.suggest_float(name, low, high, step=step, log=log)
        overrides.append(f"{name}={override_value(value)}")
    return overrides


def override_value(value: Any) -> str:
    """Return a value as the command line has it."""
    if isinstance(value, float):
        # Enough digits to tell trials apart, few enough to read.
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":")).replace('"', "'")
