"""The files of a comparison: HTML, Markdown, CSV tables and plots."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from gru_suite.files import atomic_path, make_folder
from gru_suite.results.comparison.comparison_plots import (
    MAX_CURVES,
    plot_learning_curves,
    plot_score_against_cost,
)
from gru_suite.results.comparison.documents import (
    Block,
    Heading,
    ImageBlock,
    Paragraph,
    report_blocks,
)
from gru_suite.results.comparison.report_html import render_html
from gru_suite.results.comparison.run_records import FINISHED, RunRecord, number
from gru_suite.results.comparison.summaries import SectionSummary
from gru_suite.results.table import markdown_table


def write_report(folder: Path, summaries: Sequence[SectionSummary]) -> Path:
    """Write ``report.html``, ``report.md``, ``runs.csv``, ``groups.csv`` and the plots.

    Args:
        folder: created if missing; files of an earlier comparison are replaced.
        summaries: of the sections.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: the folder cannot be written to.
    """
    make_folder(folder)
    blocks = report_blocks(summaries, write_plots(folder, summaries))
    texts = {
        "report.md": render_markdown(blocks),
        "runs.csv": runs_table(summaries).to_csv(index=False),
        "groups.csv": groups_table(summaries).to_csv(index=False),
        "report.html": render_html(blocks, datetime.now().astimezone()),
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "report.html"


def write_plots(folder: Path, summaries: Sequence[SectionSummary]) -> list[list[ImageBlock]]:
    """Write the plots of each section that has what they show.

    ``pareto.png`` and ``learning_curves.png`` of a single section; of several, with the number of
    the section in the name.
    """
    images: list[list[ImageBlock]] = []
    for position, summary in enumerate(summaries, 1):
        ending = f"_{position}" if len(summaries) > 1 else ""
        found = []
        pareto = plot_score_against_cost(summary, folder / f"pareto{ending}.png")
        if pareto:
            caption = (
                "Mean score against cost; bars are 95 % intervals over seeds. The line joins the "
                "groups that no other group beats in both; the letters are those of the table."
            )
            found.append(ImageBlock(pareto, caption))
        curves = plot_learning_curves(summary, folder / f"learning_curves{ending}.png")
        if curves:
            some = f" Of the {MAX_CURVES} best groups." if len(summary.groups) > MAX_CURVES else ""
            caption = (
                "Validation part by epoch: mean over seeds up to the end of the shortest run, one "
                f"standard deviation around it, and the runs as thin lines.{some}"
            )
            found.append(ImageBlock(curves, caption))
        images.append(found)
    return images


def runs_table(summaries: Iterable[SectionSummary]) -> pd.DataFrame:
    """Return a row per run: where it is, its group and state, its costs and all its scores.

    ``counted`` says whether it is in the averages; times are in seconds, memory in megabytes,
    latency in milliseconds.
    """
    rows = []
    for summary in summaries:
        for group in summary.section.groups:
            rows += [_run_row(run, summary, group.name, "") for run in group.counted]
            rows += [_run_row(run, summary, group.name, reason) for run, reason in group.others]
    table = pd.DataFrame(rows)
    # Whole numbers, also beside runs that have none.
    return table.astype({"seed": "Int64", "num_parameters": "Int64"})


def groups_table(summaries: Iterable[SectionSummary]) -> pd.DataFrame:
    """Return a row per group and per baseline, with the numbers of the report unrounded."""
    rows = []
    for summary in summaries:
        for row in summary.rows:
            score = row.score
            low, high = (score.interval if score else None) or (None, None)
            rows.append(
                {
                    "section": summary.section.title,
                    "kind": "baseline" if row.is_baseline else "group",
                    "label": row.label,
                    "name": row.name,
                    "metric": summary.section.metric,
                    "direction": summary.section.direction,
                    "runs": score.count if score else 0,
                    "mean": score.mean if score else None,
                    "deviation": score.deviation if score else None,
                    "interval_low": low,
                    "interval_high": high,
                    "num_parameters": row.num_parameters,
                    "seconds_per_epoch": row.seconds_per_epoch,
                    "peak_memory_mb": row.peak_memory_mb,
                    "inference_ms": row.inference_ms,
                    "best": row.is_best,
                }
            )
    return pd.DataFrame(rows).astype({"num_parameters": "Int64"})


def render_markdown(blocks: Iterable[Block]) -> str:
    """Return a report as Markdown; images are links to the files beside it."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * block.level} {_plain(block.text)}"]
        elif isinstance(block, Paragraph):
            lines += [_plain(block.text)]
        elif isinstance(block, ImageBlock):
            lines += [f"![{block.caption}]({block.path.name})", "", block.caption]
        else:
            cells = [list(block.headers)]
            for index, row in enumerate(block.rows):
                style = "**{}**" if index in block.best else "{}"
                cells.append(
                    [
                        style.format(_plain(c)) if c and n == 0 else _plain(c)
                        for n, c in enumerate(row)
                    ]
                )
            lines += markdown_table(list(zip(*cells, strict=True)))
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return re.sub(r"([\\|<*_`\[\]])", r"\\\1", text)


def _run_row(run: RunRecord, summary: SectionSummary, group: str, reason: str) -> dict[str, Any]:
    scores = {k: v for k, v in run.metrics.items() if k.startswith(("val/", "test/"))}
    options = {key: run.options.get(key) for key in summary.section.differences}
    return {
        "section": summary.section.title,
        "folder": str(run.folder),
        "group": group,
        "task": run.task,
        "data": run.data,
        "cell": run.cell,
        "seed": run.seed,
        "state": run.state,
        "counted": not reason and run.state == FINISHED,
        "reason": reason,
        "started": run.started.isoformat(timespec="seconds"),
        "num_parameters": number(run.metrics.get("num_parameters")),
        "train_seconds": number(run.metrics.get("train_seconds")),
        "seconds_per_epoch": run.seconds_per_epoch,
        "peak_memory_mb": number(run.metrics.get("peak_memory_mb")),
        "inference_ms": number(run.metrics.get("inference_ms")),
        **options,
        **scores,
    }
