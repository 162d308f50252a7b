"""Runs in sections of the same scored items, and in groups of the same config but for the seed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gru_suite.results.comparison.run_records import FINISHED, RunRecord, flatten, read_yaml

# Options that decide which items are scored, so that scores of different values say nothing about
# each other.
_SCORED_ITEMS = (
    *("data.source", "data.subset", "data.path", "data.test_path", "data.version", "data.labels"),
    *("data.target", "data.horizon", "data.split", "data.split_seed", "data.fractions"),
    *("data.group_regex", "data.eval_stride", "trainer.limit_test_batches"),
)
# Where a run was resumed from is a path of a run.
_RUN_PATHS = ("checkpoint",)
ABSENT = "(absent)"
# Beyond so many differing options a name has only as many as tell the groups apart.
_MAX_NAME_KEYS = 3
_MAX_VALUE_CHARACTERS = 40


@dataclass(frozen=True)
class Group:
    """Runs with the same config but for the seed.

    Attributes:
        name: the options that differ between the groups of the section.
        options: all of the config without seeds and run paths, flat.
        counted: the newest finished run of each seed, by seed.
        others: runs that are in no average, each with the reason.
    """

    name: str
    options: Mapping[str, Any]
    counted: tuple[RunRecord, ...]
    others: tuple[tuple[RunRecord, str], ...]


@dataclass(frozen=True)
class Section:
    """Groups whose runs were scored on the same items, so that scores can be compared.

    Attributes:
        title: task and data set, and the options by which sections of the same two differ.
        task: name of the task.
        data: name of the data set.
        metric: the score that is compared.
        direction: ``min`` or ``max``, the direction that is better, or ``none``.
        groups: in the order of the runs.
        differences: option to value in each group, for the options that differ.
    """

    title: str
    task: str
    data: str
    metric: str
    direction: str
    groups: tuple[Group, ...]
    differences: Mapping[str, tuple[str, ...]]


def make_sections(runs: Sequence[RunRecord], metric: str | None = None) -> list[Section]:
    """Return the sections of runs, in the order in which they begin.

    Args:
        runs: at least one.
        metric: the score to compare, where a section has it; by default that which its task names
            first.
    """
    by_items: dict[str, list[RunRecord]] = {}
    for run in runs:
        items = {key: run.options.get(key) for key in _SCORED_ITEMS}
        by_items.setdefault(_stable([run.task, run.data, items]), []).append(run)
    parts = list(by_items.values())
    return [_section(part, _title(part[0], parts), metric) for part in parts]


def config_options(run: RunRecord) -> dict[str, Any]:
    """Return the config of a run, flat, without what differs between repetitions.

    That is the seed, options that follow it, and paths of the run. A ``seed`` of a group that the
    user set to a number, such as ``data.seed=5``, is part of the config.
    """
    written = flatten(read_yaml(run.folder / ".hydra" / "config.yaml"))
    places = {str(run.folder.absolute()), str(run.hydra.get("output_dir") or run.folder)}
    options = {}
    for key, value in run.options.items():
        is_seed = key.split(".")[-1] == "seed"
        if key == "seed" or key in _RUN_PATHS:
            continue
        if is_seed and not isinstance(written.get(key), int):
            continue
        options[key] = _without(value, places)
    return options


def _section(runs: Sequence[RunRecord], title: str, metric: str | None) -> Section:
    chosen = _metric(runs, metric)
    directions = [run.direction(chosen) for run in runs if run.better] or [
        run.direction(chosen) for run in runs
    ]
    direction = next((each for each in directions if each != "none"), "none")
    by_config: dict[str, tuple[dict[str, Any], list[RunRecord]]] = {}
    for run in runs:
        options = config_options(run)
        by_config.setdefault(_stable(options), (options, []))[1].append(run)
    configs = [options for options, _ in by_config.values()]
    differing = differing_options(configs)
    names = group_names(configs, differing, runs[0].cell)
    groups = tuple(
        _group(name, options, members, chosen)
        for name, (options, members) in zip(names, by_config.values(), strict=True)
    )
    shown = {key: tuple(show(c.get(key, ABSENT)) for c in configs) for key in differing}
    return Section(title, runs[0].task, runs[0].data, chosen, direction, groups, shown)


def _metric(runs: Sequence[RunRecord], wanted: str | None) -> str:
    known = {name for run in runs for name in run.test_metrics}
    if wanted is not None and wanted in known:
        return wanted
    # A run that records its directions names the headline; one of an older version is a guess.
    ranked = sorted(runs, key=lambda run: not run.better)
    return next((run.headline for run in ranked if run.headline), "loss")


def _group(name: str, options: Mapping[str, Any], runs: Iterable[RunRecord], metric: str) -> Group:
    counted: dict[int | None, RunRecord] = {}
    others: list[tuple[RunRecord, str]] = []
    for run in sorted(runs, key=lambda run: run.started, reverse=True):
        if run.state != FINISHED:
            others.append((run, run.error))
        elif run.score(metric) is None:
            others.append((run, f"no finite score test/{metric}"))
        elif run.seed in counted:
            newer = counted[run.seed].folder
            others.append((run, f"repeats seed {run.seed}; the newer {newer.name} counts"))
        else:
            counted[run.seed] = run
    ordered = sorted(counted.values(), key=lambda run: (run.seed is None, run.seed or 0))
    return Group(name, options, tuple(ordered), tuple(others))


def differing_options(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same in all configs, in the order of the configs."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [k for k in keys if len({_stable(config.get(k, ABSENT)) for config in configs}) > 1]


def group_names(
    configs: Sequence[Mapping[str, Any]], differing: Sequence[str], cell: str
) -> list[str]:
    """Return a name for each config, of the options that differ, such as ``backbone.cell=lstm``.

    Where many options differ, only as many as tell the groups apart, with the number of the others.

    Args:
        configs: flat configs, no two the same.
        differing: the keys that differ.
        cell: names the group where there is only one.
    """
    if not differing:
        return [f"backbone.cell={cell}" for _ in configs]
    keys = list(differing)
    if len(keys) > _MAX_NAME_KEYS:
        keys = _distinguishing(configs, differing)
    rest = len(differing) - len(keys)
    more = f" (+{rest} option{'s' if rest > 1 else ''})" if rest else ""
    names = [", ".join(f"{k}={show(c.get(k, ABSENT))}" for k in keys) + more for c in configs]
    # Long values are cut, and may differ behind the cut.
    numbers = [names[: index + 1].count(name) for index, name in enumerate(names)]
    return [f"{n} #{number}" if number > 1 else n for n, number in zip(names, numbers, strict=True)]


def _distinguishing(configs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """Return few keys that tell all configs apart: each next one makes the most new classes."""
    # Options of the backbone and the task say more than those that follow from them.
    first = ("backbone.", "task.", "optimizer.", "data.")
    ranks = {p: n for n, p in enumerate(first)}
    ranked = sorted(keys, key=lambda key: ranks.get(f"{key.split('.')[0]}.", len(first)))
    chosen: list[str] = []

    def classes(names: Sequence[str]) -> int:
        return len({_stable([config.get(name, ABSENT) for name in names]) for config in configs})

    while classes(chosen) < len(configs):
        chosen.append(max(ranked, key=lambda key: classes([*chosen, key])))
    return chosen


def show(value: Any) -> str:
    """Return a value of a config as text, as it is written on the command line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if isinstance(value, list):
        text = f"[{','.join(show(each) for each in value)}]"
    return text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[: _MAX_VALUE_CHARACTERS - 1]}…"


def _title(run: RunRecord, parts: Sequence[Sequence[RunRecord]]) -> str:
    alike = [p[0] for p in parts if (p[0].task, p[0].data) == (run.task, run.data)]
    keys = [
        key for key in _SCORED_ITEMS if len({_stable(each.options.get(key)) for each in alike}) > 1
    ]
    by = ", ".join(f"{key}={show(run.options.get(key))}" for key in keys)
    return f"{run.task} on {run.data}{f', {by}' if by else ''}"


def _without(value: Any, places: Iterable[str]) -> Any:
    if isinstance(value, str):
        for place in places:
            value = value.replace(place, "<run folder>") if Path(place).is_absolute() else value
    return value


def _stable(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
