"""Runs filtered, sorted and shown as a list: ``gru-suite runs``."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from gru_suite.errors import UserError, nearest
from gru_suite.results.comparison.documents import TableBlock
from gru_suite.results.comparison.grouping import show
from gru_suite.results.comparison.number_format import NONE, format_plain
from gru_suite.results.comparison.run_records import RunRecord

# Filters beside the keys of the config.
FACTS: dict[str, Callable[[RunRecord], Any]] = {
    "task": lambda run: run.task,
    "data": lambda run: run.data,
    "cell": lambda run: run.cell,
    "state": lambda run: run.state,
    "seed": lambda run: run.seed,
}


def filter_runs(
    runs: Sequence[RunRecord], filters: Iterable[tuple[str, str]], own_keys: Iterable[str] = ()
) -> list[RunRecord]:
    """Return the runs that have all values.

    Args:
        runs: at least one.
        filters: key and value; the key is a fact (task, data, cell, state, seed) or a dotted one of
            the config, and several values by commas mean any of them.
        own_keys: further keys of the command line, for hints.

    Raises:
        UserError: no run has the key, or none is left; the message names the nearest.
    """
    left = list(runs)
    for key, wanted in filters:
        keys = [*FACTS, *own_keys, *dict.fromkeys(name for run in runs for name in run.options)]
        if key not in FACTS and not any(key in run.options for run in runs):
            raise UserError(f"no key {key!r} in the runs{nearest(key, keys)}")
        values = [_value(run, key) for run in left]
        kept = [run for run, value in zip(left, values, strict=True) if _matches(value, wanted)]
        if not kept:
            raise UserError(f"no run has {key}={wanted}{nearest(wanted, map(show, values))}")
        left = kept
    return left


def sort_runs(runs: Iterable[RunRecord], order: str) -> list[RunRecord]:
    """Return runs newest first, or best first.

    Args:
        runs: to sort.
        order: ``newest``, or ``best``: by task, data set and metric, since only scores of the same
            are comparable; runs without a score or a direction last.
    """
    newest = sorted(runs, key=lambda run: run.started, reverse=True)
    if order == "newest":
        return newest
    directions: dict[tuple[str, str], str] = {}
    for run in newest:
        if run.headline and (found := run.direction(run.headline)) != "none":
            directions.setdefault((run.task, run.headline), found)

    def key(run: RunRecord) -> tuple[str, str, bool, str, float]:
        score = run.score(run.headline)
        direction = directions.get((run.task, run.headline or ""))
        last = score is None or direction is None
        signed = math.inf if score is None or direction is None else score
        signed = -signed if direction == "max" and not last else signed
        return run.task, run.data, last, run.headline or "", signed

    return sorted(newest, key=key)


def list_table(runs: Iterable[RunRecord]) -> TableBlock:
    """Return the runs as a table; times are local."""
    rows = tuple(
        (
            short_path(run.folder),
            run.task,
            run.data,
            run.cell,
            _score_text(run),
            f"{run.started:%Y-%m-%d %H:%M}",
            run.state,
        )
        for run in runs
    )
    headers = ("folder", "task", "data", "cell", "score", "when", "state")
    return TableBlock(headers, rows, num_text=len(headers))


def list_facts(runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Return the runs as plain data for programs: a mapping each."""
    return [
        {
            "folder": str(run.folder),
            "task": run.task,
            "data": run.data,
            "cell": run.cell,
            "seed": run.seed,
            "metric": run.headline,
            "score": run.score(run.headline),
            "direction": run.direction(run.headline) if run.headline else "none",
            "started": run.started.isoformat(timespec="seconds"),
            "state": run.state,
            "error": run.error or None,
        }
        for run in runs
    ]


def short_path(folder: Path) -> str:
    """Return a path relative to the working folder where it is below it."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _score_text(run: RunRecord) -> str:
    score = run.score(run.headline)
    return NONE if score is None else f"{run.headline} {format_plain(score)}"


def _value(run: RunRecord, key: str) -> Any:
    return FACTS[key](run) if key in FACTS else run.options.get(key)


def _matches(value: Any, wanted: str) -> bool:
    """Return whether a text of the command line means the value: 1e-3 is also 0.001."""
    texts = [wanted] if wanted.startswith(("[", "{")) else [wanted, *wanted.split(",")]
    return any(_is_same(value, text) for text in texts)


def _is_same(value: Any, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == float(value)
        except ValueError:
            return False
    if isinstance(value, str):
        return value == text
    try:
        return bool(yaml.safe_load(text) == value)
    except yaml.YAMLError:
        return False
