"""Run folders read back: config, scores, epochs and state, without torch."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

FINISHED, RUNNING, STOPPED, FAILED = "finished", "running", "stopped", "failed"
# A trial of a search that was hopeless.
PRUNED = "pruned"
STATES = (FINISHED, RUNNING, STOPPED, FAILED, PRUNED)
DIRECTIONS = ("min", "max", "none")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class RunRecord:
    """What a run folder says about its run.

    Args:
        folder: the run folder.
        config: the resolved config, nested.
        metrics: the content of ``metrics.json``; empty before the end of the run.
        facts: the content of ``run.json``; empty for runs of older versions.
        state: ``finished``, ``running``, ``stopped``, ``failed`` or ``pruned``.
        error: why there is no result, one line; empty where nothing is known.
    """

    folder: Path
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    facts: Mapping[str, Any]
    state: str
    error: str = ""

    @cached_property
    def hydra(self) -> Mapping[str, Any]:
        """``runtime`` of ``.hydra/hydra.yaml``: choices of groups, output folder."""
        runtime = read_yaml(self.folder / ".hydra" / "hydra.yaml").get("hydra", {})
        return _mapping(_mapping(runtime).get("runtime"))

    @cached_property
    def options(self) -> dict[str, Any]:
        """The config flat: dotted key to value; lists are values."""
        return flatten(self.config)

    @cached_property
    def task(self) -> str:
        """Name of the task."""
        return self._name("task")

    @cached_property
    def data(self) -> str:
        """Name of the data set."""
        return self._name("data")

    @property
    def cell(self) -> str:
        """Name of the recurrent cell."""
        named = self.facts.get("cell") or self.metrics.get("backbone")
        return str(named or self.options.get("backbone.cell") or "?")

    @property
    def seed(self) -> int | None:
        """The seed; None where the config has none."""
        seed = self.config.get("seed", self.metrics.get("seed"))
        return seed if isinstance(seed, int) else None

    @property
    def better(self) -> dict[str, str]:
        """Metric to ``min``, ``max`` or ``none``, headline first; empty where not recorded."""
        found = _mapping(self.facts.get("better"))
        return {str(name): d for name, d in found.items() if d in DIRECTIONS}

    @property
    def test_metrics(self) -> list[str]:
        """Names of the metrics of the test part, in the order of the file."""
        return [key.removeprefix("test/") for key in self.metrics if key.startswith("test/")]

    @property
    def headline(self) -> str | None:
        """The metric that the task names first; for older runs the first but the loss."""
        return next(iter(self.better), None) or next(
            (name for name in self.test_metrics if name != "loss"), None
        )

    def direction(self, metric: str) -> str:
        """Return ``min``, ``max`` or ``none``, as recorded in the run.

        A metric that chose the best epoch has that direction, and a loss is lower when better.
        """
        monitor = _mapping(self.config.get("monitor"))
        chosen = {str(monitor.get("metric")).removeprefix("val/"): monitor.get("mode")}
        found = {"loss": "min", **chosen, **self.better}.get(metric)
        return str(found) if found in DIRECTIONS else "none"

    def score(self, metric: str | None) -> float | None:
        """Return a score on the test part; None where there is no finite one."""
        return number(self.metrics.get(f"test/{metric}"))

    def baseline_scores(self, metric: str) -> dict[str, float]:
        """Return the finite scores of the baselines on the test part, by name."""
        baselines = _mapping(self.metrics.get("baselines"))
        scores = {str(name): number(_mapping(row).get(metric)) for name, row in baselines.items()}
        return {name: score for name, score in scores.items() if score is not None}

    @cached_property
    def started(self) -> datetime:
        """The start, in local time; for older runs when the config was written."""
        try:
            return datetime.fromisoformat(
                str(self.facts["started"]).replace("Z", "+00:00")
            ).astimezone()
        except (KeyError, ValueError):
            files = [p for p in _configs(self.folder) if p.is_file()]
            seconds = (files[0] if files else self.folder).stat().st_mtime
            return datetime.fromtimestamp(seconds, timezone.utc).astimezone()

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """``metrics.csv``: a row per epoch; empty where there is none that can be read."""
        try:
            table = pd.read_csv(self.folder / "metrics.csv")
        except (OSError, ValueError):
            return pd.DataFrame()
        return table.groupby("epoch", as_index=False).last() if "epoch" in table else pd.DataFrame()

    @property
    def seconds_per_epoch(self) -> float | None:
        """Median over the epochs, which the slow first epoch hardly moves."""
        if "seconds" not in self.epochs:
            return None
        return number(pd.to_numeric(self.epochs["seconds"], errors="coerce").median())

    def _name(self, group: str) -> str:
        named = self.facts.get(group) or self.metrics.get(group)
        if not named:
            named = _mapping(self.hydra.get("choices")).get(group)
        return str(named or "?")


def find_runs(folder: Path) -> list[RunRecord]:
    """Return the training runs in a folder, itself included, at any depth, by path.

    Args:
        folder: an existing folder.
    """
    return [run for path in _walk(folder) if (run := read_run(path)) is not None]


def read_run(folder: Path) -> RunRecord | None:
    """Return what a folder says about its run; None where it is no folder of a training run.

    A file that cannot be read counts as missing: a run may be killed while it writes.
    """
    config: dict[str, Any] = next(filter(None, map(read_yaml, _configs(folder))), {})
    # The folders of evaluate, predict and export have a config without a task.
    if "task" not in config:
        return None
    metrics, facts = _read_json(folder / "metrics.json"), _read_json(folder / "run.json")
    state = str(facts.get("state") or (FINISHED if metrics else STOPPED))
    error = " ".join(str(facts.get("error") or "").split())
    if state not in STATES:
        state, error = STOPPED, f"run.json has the unknown state {state!r}"
    if state == RUNNING and not _is_held(folder / ".lock"):
        state, error = STOPPED, error or "the process ended without a result"
    return RunRecord(folder, config, metrics, facts, state, error)


def is_sweep(folder: Path) -> bool:
    """Return whether a folder is one of a sweep: its numbered sub-folders are runs."""
    if (folder / "multirun.yaml").is_file():
        return True
    return any(
        inner.name.isdecimal() and any(path.is_file() for path in _configs(inner))
        for inner in folder.iterdir()
    )


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested config flat: dotted key to value; lists and empty groups are values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def number(value: Any) -> float | None:
    """Return a finite number as a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _walk(folder: Path) -> Iterator[Path]:
    for path, folders, _ in os.walk(folder):
        here = Path(path)
        if any(file.is_file() for file in _configs(here)):
            folders.clear()
            yield here
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _configs(folder: Path) -> tuple[Path, Path]:
    """Return the config files of a run: resolved, and as Hydra writes it before the run starts."""
    return folder / "config.yaml", folder / ".hydra" / "config.yaml"


def _is_held(lock: Path) -> bool:
    """Return whether a living process holds a lock file; where that is unknown, True."""
    try:
        import fcntl

        with lock.open("rb") as file:
            # Shared, so that two commands that ask at once do not meet each other's lock.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return True
    return False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(_mapping(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return {}


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; empty where there is none that can be read."""
    try:
        return dict(_mapping(yaml.load(path.read_text(encoding="utf-8"), _LOADER)))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
