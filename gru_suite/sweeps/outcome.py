"""What became of a job, read from its run folder without torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gru_suite.results.run_record import read_record, state_of


@dataclass(frozen=True)
class Outcome:
    """The state of a job and its scores.

    Attributes:
        state: ``finished``, ``stopped``, ``failed``, ``running`` or ``pruned``; None where no run
            of this config has begun.
        metric: name of the score, such as ``test/mae``.
        score: on the test part, else the best value of ``monitor.metric``; None for none.
        direction: ``min``, ``max`` or ``none``.
        monitor: the best value of ``monitor.metric``, on validation data.
        error: one line.
        ended: when the run ended, ISO format.
    """

    state: str | None = None
    metric: str | None = None
    score: float | None = None
    direction: str = "none"
    monitor: float | None = None
    error: str | None = None
    ended: str | None = None


def read_outcome(folder: Path, config: str) -> Outcome:
    """Return what became of a job.

    Args:
        folder: the run folder.
        config: the hash of its config; a run of another one in this folder is none of this job.
    """
    record = read_record(folder)
    if record is None or record.get("config") != config:
        return Outcome()
    monitor = _mapping(record.get("monitor"))
    best = _finite(monitor.get("value"))
    metric, direction, score = monitor.get("metric"), str(monitor.get("mode", "none")), best
    scores = _scores(folder) if record.get("state") == "finished" else {}
    for name, wanted in _mapping(record.get("better")).items():
        if (found := _finite(scores.get(f"test/{name}"))) is not None:
            metric, direction, score = f"test/{name}", str(wanted), found
            break
    return Outcome(
        state_of(folder), metric, score, direction, best, record.get("error"), record.get("ended")
    )


def best_first(outcomes: Mapping[int, Outcome]) -> list[int]:
    """Return the numbers of jobs, best score first within each metric; the rest by number."""

    def key(number: int) -> tuple[bool, str, float, int]:
        outcome = outcomes[number]
        if outcome.score is None or outcome.state != "finished":
            return True, "", 0.0, number
        signed = -outcome.score if outcome.direction == "max" else outcome.score
        return False, outcome.metric or "", signed, number

    return sorted(outcomes, key=key)


def _scores(folder: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
