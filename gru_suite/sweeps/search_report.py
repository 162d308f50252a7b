"""The best trial of a search: printed, in ``best.yaml``, and as a command line that trains it."""

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from gru_suite.files import atomic_path
from gru_suite.sweeps.expansion import override_key
from gru_suite.sweeps.search import Search

# Of the search, not of the training.
_NOT_OF_THE_TRAINING = ("sweep", "jobs")


def tell_best(search: Search, choices: Mapping[str, Any]) -> bool:
    """Print and write the best trial; return whether there is one.

    Args:
        search: that has ended.
        choices: options of the config groups.
    """
    best = search.best()
    running = [t for t in search.trials() if t.state == search.states.RUNNING]
    if running:
        numbers = ", ".join(str(trial.number) for trial in running)
        print(f"running elsewhere: trials {numbers}")
    if best is None:
        print("no trial has a result")
        return False
    overrides = best.user_attrs["overrides"]
    fixed = [each for each in search.fixed if override_key(each) not in _NOT_OF_THE_TRAINING]
    if choices.get("task") and all(override_key(each) != "task" for each in fixed):
        fixed.insert(0, f"task={choices['task']}")
    line = shlex.join(["gru-suite", *fixed, *overrides])
    content = {
        "trial": best.number,
        "metric": search.metric,
        "value": best.value,
        "overrides": overrides,
        "command": line,
    }
    with atomic_path(search.folder / "best.yaml") as temporary:
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
        temporary.write_text(text, encoding="utf-8")
    print(f"best: trial {best.number}, {search.metric} {best.value:.4g}: {' '.join(overrides)}")
    print(f"train it: {line}", flush=True)
    return True
