"""What a report contains, as blocks that HTML and Markdown render alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gru_suite.results.comparison.number_format import (
    NONE,
    format_count,
    format_estimate,
    format_fixed,
    format_interval,
    format_p,
    format_plain,
    shared_decimals,
)
from gru_suite.results.comparison.run_records import FINISHED, RunRecord
from gru_suite.results.comparison.statistics import MAX_EXACT_PAIRS
from gru_suite.results.comparison.summaries import (
    MAX_GROUPS_ALL_PAIRS,
    GroupSummary,
    SectionSummary,
)

_BETTER = {"min": "lower is better", "max": "higher is better"}
_LONG_COLUMNS = ("deviation", "memory, MB", "latency, ms")
_SIGNIFICANT = 0.05
METHODS = (
    "A group is all runs with the same config but for the seed; of several runs with one seed the "
    "newest counts. Deviation is the standard deviation between seeds. Intervals are 95 % "
    "intervals of the mean by Student's t distribution (Student, 1908): they hold the variation "
    "between seeds, not that between samples of the test data.",
    "Tests compare two groups on the seeds that both have: Student's paired t-test, which assumes "
    "normally distributed differences, and the sign-flip test (Fisher, 1935), which assumes only "
    "symmetric ones and takes all patterns of signs (a million random ones beyond "
    f"{MAX_EXACT_PAIRS} pairs). With N pairs the latter is never below 2 / 2^N: 0.25 with 3, "
    "0.0625 with 5. Several comparisons in one section are corrected by Holm's method (Holm, "
    "1979), for either test on its own.",
    "Seconds per epoch, parameters and latency are medians over the runs; peak memory is the "
    "largest. A baseline counts once for each seed.",
)


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``is_lead`` for the finding of a section."""

    text: str
    is_lead: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table.

    Attributes:
        headers: of the columns.
        rows: the cells' texts.
        num_text: the first so many columns are text, the others numbers.
        best: indices of the rows to mark as best.
        muted: indices of rows of less weight.
        is_folded: whether a page shows it only on demand.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_text: int = 1
    best: frozenset[int] = frozenset()
    muted: frozenset[int] = frozenset()
    is_folded: bool = False


@dataclass(frozen=True)
class ImageBlock:
    """A PNG file beside the report."""

    path: Path
    caption: str


Block = Heading | Paragraph | TableBlock | ImageBlock


def report_blocks(
    summaries: Sequence[SectionSummary], images: Sequence[Sequence[ImageBlock]]
) -> list[Block]:
    """Return the content of a report.

    Args:
        summaries: of the sections.
        images: of each section.
    """
    num_runs = sum(
        len(group.counted) + len(group.others) for s in summaries for group in s.section.groups
    )
    blocks: list[Block] = [Heading(1, f"Comparison of {num_runs} run{'s' * (num_runs != 1)}")]
    if len(summaries) > 1:
        blocks.append(
            Paragraph(
                f"The runs were scored on {len(summaries)} different sets of items. Each has its "
                "own section; scores of different sections cannot be compared."
            )
        )
    for summary, pictures in zip(summaries, images, strict=True):
        blocks += section_blocks(summary, pictures)
    return [*blocks, Heading(2, "Methods"), *map(Paragraph, METHODS)]


def section_blocks(summary: SectionSummary, images: Sequence[ImageBlock]) -> list[Block]:
    """Return the content of a section: finding, scores, tests, plots, configs, other runs."""
    section = summary.section
    blocks: list[Block] = [
        Heading(2, section.title[:1].upper() + section.title[1:]),
        Paragraph(finding(summary), is_lead=True),
        *(Paragraph(note) for note in summary.notes),
        score_table(summary),
    ]
    if summary.comparisons:
        blocks += [Heading(3, "Tests between groups"), *_comparison_blocks(summary)]
    if images:
        blocks += [Heading(3, "Plots"), *images]
    if section.differences:
        blocks += [Heading(3, "Differences of the configs"), difference_table(summary)]
    labels = {row.name: row.label for row in summary.groups}
    others = tuple(
        (str(run.folder), labels[group.name], _state(run), reason)
        for group in section.groups
        for run, reason in group.others
    )
    if others:
        headers = ("folder", "group", "state", "reason")
        blocks += [Heading(3, "Runs in no average"), TableBlock(headers, others, num_text=4)]
    return [*blocks, Heading(3, "Counted runs"), counted_table(summary)]


def difference_table(summary: SectionSummary) -> TableBlock:
    """Return the options that differ, with a column for each group in the order of the scores."""
    groups = [group.name for group in summary.section.groups]
    order = [groups.index(row.name) for row in summary.groups]
    rows = tuple(
        (key, *(values[index] for index in order))
        for key, values in summary.section.differences.items()
    )
    headers = ("option", *(row.label for row in summary.groups))
    return TableBlock(headers, rows, num_text=len(headers))


def counted_table(summary: SectionSummary) -> TableBlock:
    """Return the runs in the averages, folded, by group and seed."""
    groups = {group.name: group for group in summary.section.groups}
    metric = summary.section.metric
    rows = tuple(
        (
            str(run.folder),
            row.label,
            NONE if run.seed is None else str(run.seed),
            format_plain(run.score(metric)),
        )
        for row in summary.groups
        for run in groups[row.name].counted
    )
    return TableBlock(("folder", "group", "seed", metric), rows, num_text=2, is_folded=True)


def finding(summary: SectionSummary) -> str:
    """Return the sentences a section begins with: the score, the best group, the best baseline."""
    section = summary.section
    num_runs = sum(len(group.counted) for group in section.groups)
    better = _BETTER.get(section.direction)
    text = f"Score: {section.metric} on the test part{f', {better}' if better else ''}; "
    text += f"{num_runs} counted run{'s' * (num_runs != 1)} in {len(section.groups)} "
    text += f"group{'s' * (len(section.groups) != 1)}."
    scored = [row for row in summary.groups if row.score is not None]
    if not scored:
        return f"{text} No run has a result yet."
    if better is None:
        return text
    decimals = shared_decimals(row.score for row in summary.rows)
    score = format_estimate(scored[0].score, decimals)
    text += f" Best group: {scored[0].label}, {scored[0].name}, with {score}"
    baselines = [row for row in summary.rows if row.is_baseline]
    if not baselines:
        return f"{text}."
    beats = "" if scored[0].is_best else ", which no group reaches"
    score = format_estimate(baselines[0].score, decimals)
    return f"{text}; best baseline: {baselines[0].name}, with {score}{beats}."


def score_table(summary: SectionSummary, short: bool = False) -> TableBlock:
    """Return groups and baselines with scores and costs; costs that no run has are left out.

    Args:
        summary: of a section.
        short: leave deviation, memory and latency out, for terminals.
    """
    rows = summary.rows
    decimals = shared_decimals(row.score for row in rows)
    columns: dict[str, list[str]] = {
        "": [row.title for row in rows],
        "runs": ["" if row.is_baseline else _count(row) for row in rows],
        summary.section.metric: [_fixed_mean(row, decimals) for row in rows],
        "deviation": [_fixed_deviation(row, decimals) for row in rows],
        "95 % interval": [format_interval(row.score, decimals) for row in rows],
        "parameters": [format_count(row.num_parameters) for row in rows],
        "s/epoch": [format_plain(row.seconds_per_epoch) for row in rows],
        "memory, MB": [format_count(row.peak_memory_mb) for row in rows],
        "latency, ms": [format_plain(row.inference_ms) for row in rows],
    }
    left_out = _LONG_COLUMNS if short else ()
    kept = {
        name: cells
        for index, (name, cells) in enumerate(columns.items())
        if index < 3 or (name not in left_out and any(cell not in ("", NONE) for cell in cells))
    }
    return TableBlock(
        tuple(kept),
        tuple(zip(*kept.values(), strict=True)),
        best=frozenset(index for index, row in enumerate(rows) if row.is_best),
        muted=frozenset(index for index, row in enumerate(rows) if row.is_baseline),
    )


def _comparison_blocks(summary: SectionSummary) -> list[Block]:
    num_tested = sum(each.num_pairs >= 2 for each in summary.comparisons)
    corrected = ", Holm" if num_tested > 1 else ""
    headers = (
        *("difference of", "pairs", "mean", "95 % interval"),
        *(f"p, t-test{corrected}", f"p, sign-flip{corrected}"),
    )
    decimals = shared_decimals(row.score for row in summary.rows)
    rows = []
    for each in summary.comparisons:
        difference = each.test.difference if each.test else None
        rows.append(
            (
                f"{each.first.label} minus {each.second.label}",
                str(each.num_pairs),
                format_fixed(difference.mean if difference else None, decimals, sign=True),
                format_interval(difference, decimals, sign=True),
                format_p(each.t_p, each.num_pairs),
                format_p(each.sign_p, each.num_pairs),
            )
        )
    return [*map(Paragraph, _test_notes(summary)), TableBlock(headers, tuple(rows))]


def _test_notes(summary: SectionSummary) -> list[str]:
    """Return what limits the tests: too few seeds, and a group chosen by its score."""
    tested = [each.num_pairs for each in summary.comparisons if each.num_pairs >= 2]
    notes = []
    if not tested:
        notes.append("Too few runs to test: a test needs two common seeds or more.")
    elif len(tested) < len(summary.comparisons):
        notes.append("Groups with fewer than two common seeds are not tested.")
    # The smallest p-value of a test, times the number of tests by Holm's correction.
    lowest = min(1.0, len(tested) * 2 / 2 ** max(tested, default=1))
    if tested and lowest > _SIGNIFICANT:
        comparisons = f"{len(tested)} comparison{'s' * (len(tested) > 1)}"
        notes.append(
            f"With {comparisons} of {max(tested)} pairs at most, the p-value of the sign-flip test "
            f"cannot fall below {lowest:.3g}: more seeds are needed for it."
        )
    num_groups = sum(bool(group.counted) for group in summary.section.groups)
    if num_groups > MAX_GROUPS_ALL_PAIRS:
        note = "Of so many groups, only the first is compared with each other one."
        if summary.section.direction in _BETTER:
            note += (
                " It was chosen by the same scores, which makes its lead look larger than it is."
            )
        notes.append(note)
    return notes


def _state(run: RunRecord) -> str:
    return "not counted" if run.state == FINISHED else run.state


def _count(row: GroupSummary) -> str:
    return str(row.score.count if row.score else 0)


def _fixed_mean(row: GroupSummary, decimals: int) -> str:
    return format_fixed(row.score.mean if row.score else None, decimals)


def _fixed_deviation(row: GroupSummary, decimals: int) -> str:
    return format_fixed(row.score.deviation if row.score else None, decimals)
