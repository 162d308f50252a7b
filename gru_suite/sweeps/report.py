"""What a sweep says at its end: a table of its jobs, best first, and ``jobs.csv``."""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gru_suite.files import atomic_path
from gru_suite.sweeps.expansion import override_key
from gru_suite.sweeps.ledger import FAILED, FINISHED, STOPPED, Entry
from gru_suite.sweeps.outcome import best_first

_MAX_ERROR = 100
_NONE = "–"  # noqa: RUF001


def varying(entries: Iterable[Entry]) -> list[str]:
    """Return the keys whose values differ between jobs, in the order of the command line."""
    values: dict[str, set[str]] = {}
    rows = [dict(_split(each) for each in entry.overrides) for entry in entries]
    for key in dict.fromkeys(key for row in rows for key in row):
        values[key] = {row.get(key, "") for row in rows}
    return [key for key, found in values.items() if len(found) > 1]


def print_jobs(entries: Sequence[Entry], file: TextIO | None = None) -> None:
    """Print the jobs as a table, best first.

    Args:
        entries: of the ledger.
        file: standard output by default.
    """
    console = Console(file=file or sys.stdout, highlight=False)
    keys = varying(entries)
    metrics = list(dict.fromkeys(entry.metric for entry in entries if entry.metric))
    score = metrics[0] if len(metrics) == 1 else "score"
    errors = any(entry.error for entry in entries)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in ("job", *keys, score, "state", *(["error"] if errors else [])):
        table.add_column(Text(header), no_wrap=header != "error")
    for entry in ordered(entries):
        values = dict(_split(each) for each in entry.overrides)
        error = [_shortened(entry.error or "")] if errors else []
        cells = [str(entry.number), *(values.get(key, _NONE) for key in keys)]
        cells += [_score(entry, len(metrics) > 1), entry.state, *error]
        table.add_row(*map(Text, cells))
    natural = console.measure(table, options=console.options.update(width=10_000)).maximum
    console.width = max(console.width, natural)
    console.print(table)


def write_jobs(entries: Sequence[Entry], path: Path) -> None:
    """Write the jobs as a CSV file, best first: a column for each override that differs."""
    keys = varying(entries)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        facts = ["metric", "score", "monitor", "state", "starts", "error", "folder"]
        writer.writerow(["job", *keys, *facts])
        for entry in ordered(entries):
            values = dict(_split(each) for each in entry.overrides)
            row = [entry.number, *(values.get(key, "") for key in keys)]
            row += [entry.metric, entry.score, entry.monitor, entry.state, entry.starts]
            writer.writerow([*row, entry.error, entry.folder])


def ordered(entries: Sequence[Entry]) -> list[Entry]:
    """Return the jobs, best first."""
    by_number = {entry.number: entry for entry in entries}
    return [by_number[n] for n in best_first({n: e.outcome for n, e in by_number.items()})]


def count_line(entries: Sequence[Entry]) -> str:
    """Return how many jobs are in which state, such as ``3 of 4 jobs are finished, 1 failed``."""
    states = [entry.state for entry in entries]
    text = f"{states.count(FINISHED)} of {len(states)} jobs are finished"
    for state in (FAILED, "pruned", STOPPED):
        if number := states.count(state):
            text += f", {number} {state}"
    return text


def _split(override: str) -> tuple[str, str]:
    return override_key(override), override.partition("=")[2]


def _score(entry: Entry, named: bool) -> str:
    if entry.score is None:
        return _NONE
    return f"{entry.metric} {entry.score:.4g}" if named else f"{entry.score:.4g}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_ERROR else f"{text[:_MAX_ERROR]} ..."
