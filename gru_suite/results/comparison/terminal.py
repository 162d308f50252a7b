"""Tables of runs and comparisons for the terminal."""

import sys
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gru_suite.results.comparison.documents import TableBlock, finding, score_table
from gru_suite.results.comparison.summaries import SectionSummary


def print_summary(summary: SectionSummary, file: TextIO | None = None) -> None:
    """Print the finding of a section and its table of scores.

    Args:
        summary: of the section.
        file: standard output by default.
    """
    console = Console(file=file or sys.stdout, highlight=False, soft_wrap=True)
    console.print(Text(summary.section.title, style="bold"))
    console.print(Text(finding(summary)))
    for note in summary.notes:
        console.print(Text(note))
    print_table(score_table(summary, short=True), file)
    others = sum(len(group.others) for group in summary.section.groups)
    if others:
        verb = "run is" if others == 1 else "runs are"
        console.print(Text(f"{others} {verb} in no average; the report says why\n"))


def print_table(block: TableBlock, file: TextIO | None = None) -> None:
    """Print a table, as wide as its cells: rich would truncate names and digits.

    Args:
        block: the table; its best rows are bold.
        file: standard output by default.
    """
    console = Console(file=file or sys.stdout, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column, header in enumerate(block.headers):
        justify = "left" if column < block.num_text else "right"
        table.add_column(Text(header), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for index, row in enumerate(block.rows):
        style = "bold" if index in block.best else ""
        table.add_row(*(Text(cell, style=style) for cell in row))
    natural = console.measure(table, options=console.options.update(width=10_000)).maximum
    console.width = max(console.width, natural)
    console.print(table)
