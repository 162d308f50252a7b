"""Results of a run: ``metrics.json``, and the table of model and baselines."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gru_suite.files import atomic_path

# First in the file; other facts follow, then scores by stage, then the baselines.
_FIRST_KEYS = ("task", "data", "backbone", "seed", "num_parameters", "train_seconds")
_STAGES = ("train/", "val/", "test/")
# Beyond this number of decimals, scientific notation.
_MAX_DECIMALS = 6


def write_metrics(folder: str | os.PathLike[str], metrics: Mapping[str, Any]) -> Path:
    """Write ``metrics.json`` into ``folder`` atomically.

    Args:
        folder: the run folder; created if missing.
        metrics: name to number, text or None; ``baselines`` is nested. Scalars of numpy and torch
            become numbers, and numbers that are not finite become null.

    Returns:
        The file written.

    Raises:
        UserError: the folder cannot be written to.
    """
    path = Path(folder) / "metrics.json"
    ordered = {key: plain_numbers(metrics[key]) for key in sorted(metrics, key=_key_order)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(ordered, indent=2, allow_nan=False) + "\n", "utf-8")
    return path


@dataclass(frozen=True)
class ScoreTable:
    """Scores of a model and of its baselines; the best of each column is bold.

    Args:
        model: name of the model's row, the first.
        metrics: the model's scores by metric; None stands for no number.
        baselines: scores by baseline and metric.
        better: the columns in order: metric to ``min`` or ``max``, the direction that is better,
            or ``none``.
        title: of the table.
    """

    model: str
    metrics: Mapping[str, float | None]
    baselines: Mapping[str, Mapping[str, float | None]]
    better: Mapping[str, str]
    title: str = ""

    def print(self, file: TextIO | None = None) -> None:
        """Print the table; as plain text of any width in a pipe or file.

        Args:
            file: standard output by default.

        Raises:
            ValueError: a direction is none of the three.
        """
        console = Console(file=file or sys.stdout, highlight=False)
        table = self.to_rich()
        if _natural_width(console, table) > console.width:
            table = self.to_rich(fold_headers=True)
        # A narrower terminal wraps lines; rich would truncate names and digits.
        console.width = max(console.width, _natural_width(console, table))
        console.print(table)

    def to_rich(self, fold_headers: bool = False) -> Table:
        """Return the table for a terminal.

        Args:
            fold_headers: break column names at underscores, for narrow terminals.
        """
        table = Table(
            title=self.title or None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("", no_wrap=True)
        columns = self._columns()
        for metric in columns:
            header = metric.replace("_", "\n") if fold_headers else metric
            table.add_column(header, justify="right", no_wrap=True, vertical="bottom")
        for index, name in enumerate(self._rows()):
            label = Text(name, style="bold" if index == 0 else "")
            table.add_row(label, *(cells[index] for cells in columns.values()))
        return table

    def to_markdown(self) -> list[str]:
        """Return the lines of an aligned Markdown table."""
        columns = [["", *self._rows()]]
        for metric, cells in self._columns().items():
            columns.append([metric, *(f"**{c}**" if c.style else str(c) for c in cells)])
        return markdown_table(columns)

    def _rows(self) -> dict[str, Mapping[str, float | None]]:
        return {self.model: self.metrics, **self.baselines}

    def _columns(self) -> dict[str, list[Text]]:
        """Return the cells of each metric that has a number."""
        columns = {}
        for metric, direction in self.better.items():
            if direction not in ("min", "max", "none"):
                raise ValueError(f"better[{metric!r}]={direction!r}: choose one of min, max, none")
            scores = [scores.get(metric) for scores in self._rows().values()]
            values = [math.nan if score is None else float(score) for score in scores]
            if not all(math.isnan(value) for value in values):
                columns[metric] = _cells(values, direction)
        return columns


def markdown_table(columns: Sequence[Sequence[str]]) -> list[str]:
    """Return columns as an aligned Markdown table; the first cell of each is the header."""
    widths = [max(3, *map(len, column)) for column in columns]
    lines = []
    for row in range(len(columns[0])):
        cells = [
            column[row].rjust(width) if number else column[row].ljust(width)
            for number, (column, width) in enumerate(zip(columns, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rule = [f"{'-' * (width - 1)}{':' if number else '-'}" for number, width in enumerate(widths)]
    return [lines[0], f"| {' | '.join(rule)} |", *lines[1:]]


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def _cells(values: Sequence[float], direction: str) -> list[Text]:
    """Format a column with the decimals that give its smallest value three significant digits."""
    finite = [value for value in values if math.isfinite(value)]
    best = {"min": min, "max": max}[direction](finite) if finite and direction != "none" else None
    smallest = min((abs(value) for value in finite if value), default=1.0)
    decimals = max(0, 2 - math.floor(math.log10(smallest)))
    style = f".{decimals}f" if decimals <= _MAX_DECIMALS else ".2e"
    return [
        Text("-" if math.isnan(value) else format(value, style), "bold" if value == best else "")
        for value in values
    ]


def _key_order(key: str) -> tuple[int, int]:
    """Return the sort key: ``_FIRST_KEYS``, other facts, train/, val/, test/, baselines."""
    if key in _FIRST_KEYS:
        return 0, _FIRST_KEYS.index(key)
    if key == "baselines":
        return 3, 0
    for index, stage in enumerate(_STAGES):
        if key.startswith(stage):
            return 2, index
    return 1, 0


def plain_numbers(value: Any) -> Any:
    """Return data with Python numbers, and None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
