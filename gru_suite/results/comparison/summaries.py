"""Summaries of groups and baselines, and tests between groups."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from gru_suite.results.comparison.grouping import Group, Section
from gru_suite.results.comparison.run_records import RunRecord, number
from gru_suite.results.comparison.statistics import (
    MeanEstimate,
    PairedTest,
    estimate_mean,
    holm,
    paired_test,
)

# With more groups the best one is compared with each, instead of all pairs.
MAX_GROUPS_ALL_PAIRS = 5
# Baselines of runs on the same items have the same scores, but for the order of additions.
_SAME = 1e-6


@dataclass(frozen=True)
class GroupSummary:
    """A group of runs, or a baseline, as a row of the table.

    Attributes:
        name: of the group or the baseline.
        is_baseline: whether it is a baseline.
        score: over seeds; None where no run is finished.
        num_parameters: median over runs; None where not recorded, as for the following.
        seconds_per_epoch: median over runs of each run's median.
        peak_memory_mb: largest of the runs.
        inference_ms: median over runs.
        is_best: whether no other row has a better mean.
        label: of a group, by rank: A for the best mean, then B; empty for a baseline.
    """

    name: str
    is_baseline: bool
    score: MeanEstimate | None
    num_parameters: int | None = None
    seconds_per_epoch: float | None = None
    peak_memory_mb: float | None = None
    inference_ms: float | None = None
    is_best: bool = False
    label: str = ""

    @property
    def title(self) -> str:
        """Label and name, or that it is a baseline."""
        return f"{self.name} (baseline)" if self.is_baseline else f"{self.label}: {self.name}"


@dataclass(frozen=True)
class Comparison:
    """Two groups compared on the seeds that both have.

    Attributes:
        first: the group with the better mean.
        second: the other one.
        test: the difference, first minus second, and p-values; None without a common seed.
        t_p: of the t-test, by Holm's correction for the number of comparisons in the section.
        sign_p: of the sign-flip test, by the same correction.
    """

    first: GroupSummary
    second: GroupSummary
    test: PairedTest | None
    t_p: float | None
    sign_p: float | None

    @property
    def num_pairs(self) -> int:
        """Number of common seeds."""
        return self.test.difference.count if self.test else 0


@dataclass(frozen=True)
class SectionSummary:
    """All numbers of a section.

    Attributes:
        section: its runs.
        rows: groups, best first, then baselines, best first.
        comparisons: tests between groups.
        notes: remarks on what limits the comparison, a sentence each.
    """

    section: Section
    rows: tuple[GroupSummary, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> list[GroupSummary]:
        """The rows that are groups of runs."""
        return [row for row in self.rows if not row.is_baseline]


def summarize(section: Section) -> SectionSummary:
    """Return the numbers of a section."""
    groups = {_group(group, section.metric): group for group in section.groups}
    ranked = sorted(groups, key=lambda row: _order(row.score, section.direction))
    baselines = sorted(_baselines(section), key=lambda row: _order(row.score, section.direction))
    best = _best([*ranked, *baselines], section.direction)
    labelled = {
        replace(row, label=label(rank), is_best=_is_best(row, best)): groups[row]
        for rank, row in enumerate(ranked)
    }
    rows = [*labelled, *(replace(row, is_best=_is_best(row, best)) for row in baselines)]
    comparisons = compare_groups(labelled, section.metric)
    return SectionSummary(section, tuple(rows), tuple(comparisons), tuple(_notes(section)))


def compare_groups(groups: Mapping[GroupSummary, Group], metric: str) -> list[Comparison]:
    """Return the tests between groups with finished runs, corrected for their number.

    All pairs of up to five groups; of more, the first against each other one.

    Args:
        groups: best mean first.
        metric: the score.
    """
    rows = [row for row, group in groups.items() if group.counted]
    if len(rows) > MAX_GROUPS_ALL_PAIRS:
        pairs = [(rows[0], other) for other in rows[1:]]
    else:
        pairs = list(combinations(rows, 2))
    tests = [_test(groups[first], groups[second], metric) for first, second in pairs]
    t_p = holm([test.t_p if test else None for test in tests])
    sign_p = holm([test.sign_p if test else None for test in tests])
    return [
        Comparison(first, second, test, t, sign)
        for (first, second), test, t, sign in zip(pairs, tests, t_p, sign_p, strict=True)
    ]


def label(rank: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for the ranks from 0 on."""
    return (label(rank // 26 - 1) if rank >= 26 else "") + chr(ord("A") + rank % 26)


def _test(first: Group, second: Group, metric: str) -> PairedTest | None:
    scores = [_scores_by_seed(group, metric) for group in (first, second)]
    seeds = sorted(scores[0].keys() & scores[1].keys())
    return paired_test([scores[0][seed] for seed in seeds], [scores[1][seed] for seed in seeds])


def _scores_by_seed(group: Group, metric: str) -> dict[int, float]:
    scores = {run.seed: run.score(metric) for run in group.counted}
    return {k: score for k, score in scores.items() if k is not None and score is not None}


def _group(group: Group, metric: str) -> GroupSummary:
    runs = group.counted
    scores = _numbers(runs, lambda run: run.score(metric))
    parameters = _numbers(runs, lambda run: number(run.metrics.get("num_parameters")))
    seconds = _numbers(runs, lambda run: run.seconds_per_epoch)
    memory = _numbers(runs, lambda run: number(run.metrics.get("peak_memory_mb")))
    latency = _numbers(runs, lambda run: number(run.metrics.get("inference_ms")))
    return GroupSummary(
        group.name,
        False,
        estimate_mean(scores) if scores else None,
        round(statistics.median(parameters)) if parameters else None,
        statistics.median(seconds) if seconds else None,
        max(memory, default=None),
        statistics.median(latency) if latency else None,
    )


def _numbers(runs: Iterable[RunRecord], value: Callable[[RunRecord], float | None]) -> list[float]:
    return [found for run in runs if (found := value(run)) is not None]


def _baselines(section: Section) -> list[GroupSummary]:
    """Return a row for each baseline, whose score counts once for each seed."""
    scores: dict[str, dict[int | None, float]] = {}
    for group in section.groups:
        for run in group.counted:
            for name, score in run.baseline_scores(section.metric).items():
                scores.setdefault(name, {}).setdefault(run.seed, score)
    return [
        GroupSummary(name, True, _baseline_score(list(by_seed.values())))
        for name, by_seed in scores.items()
    ]


def _baseline_score(scores: Sequence[float]) -> MeanEstimate:
    """Return the score of a baseline; where no seed changes it, it is one number, no estimate."""
    if max(scores) - min(scores) <= _SAME * abs(scores[0]):
        return estimate_mean(scores[:1])
    return estimate_mean(scores)


def _order(score: MeanEstimate | None, direction: str) -> tuple[bool, float]:
    """Return the sort key: best mean first, as they come without a direction, no score last."""
    if score is None:
        return True, 0.0
    return False, {"min": score.mean, "max": -score.mean}.get(direction, 0.0)


def _best(rows: Sequence[GroupSummary], direction: str) -> float | None:
    means = [row.score.mean for row in rows if row.score is not None]
    if not means or direction not in ("min", "max"):
        return None
    return min(means) if direction == "min" else max(means)


def _is_best(row: GroupSummary, best: float | None) -> bool:
    return row.score is not None and row.score.mean == best


def _notes(section: Section) -> list[str]:
    notes = []
    if section.direction == "none":
        notes.append(
            f"The runs do not record whether a higher or a lower {section.metric} is better, so "
            "no group is marked as the best."
        )
    if _differing_items(section):
        notes.append(
            "The baselines of runs with the same seed differ: these runs may have been scored on "
            "different items, and their scores say little about each other."
        )
    return notes


def _differing_items(section: Section) -> bool:
    """Return whether every baseline has another score in another group for some seed."""
    by_seed: dict[int | None, list[dict[str, float]]] = {}
    for group in section.groups:
        for run in group.counted:
            if scores := run.baseline_scores(section.metric):
                by_seed.setdefault(run.seed, []).append(scores)
    for first, *others in by_seed.values():
        for other in others:
            shared = first.keys() & other.keys()
            # One that is the same shows the same items; others may depend on options.
            if shared and all(abs(first[k] - other[k]) > _SAME * abs(first[k]) for k in shared):
                return True
    return False
