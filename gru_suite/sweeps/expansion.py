"""The jobs of a sweep: every combination of its overrides, each with a folder of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from gru_suite.results.run_record import config_hash
from gru_suite.sweeps.ledger import Entry, Ledger, SweepJob

# What a sweep is called by does not depend on how many of its jobs run at once or how long it is.
_NOT_OF_THE_NAME = ("jobs", "search.n_trials")


def override_key(override: str) -> str:
    """Return the key of an override, without its prefix and package."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].strip()


def sweep_name(overrides: Sequence[str], choices: Mapping[str, Any]) -> str:
    """Return the name of a sweep's folder, which the same command line finds again.

    Args:
        overrides: of the command line, without those of Hydra.
        choices: options of the config groups.
    """
    kept = sorted(each for each in overrides if override_key(each) not in _NOT_OF_THE_NAME)
    given = {override_key(each): each.partition("=")[2] for each in kept}
    tasks = given.get("task") or choices.get("task") or "tasks"
    name = str(given.get("sweep") or choices.get("sweep") or tasks)
    name = name if name.isidentifier() else "sweep"
    return f"{name}-{hashlib.sha256(chr(10).join(kept).encode()).hexdigest()[:8]}"


def expand(
    loader: ConfigLoader, params: Mapping[str, Any], arguments: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return the overrides of every job, in the order of Hydra's basic sweeper.

    Args:
        loader: Hydra's.
        params: ``hydra.sweeper.params``, which the command line overrides.
        arguments: of the command line, without those of Hydra.
    """
    words = [*(f"{key}={value}" for key, value in params.items()), *arguments]
    words = [word for word in words if override_key(word) != "jobs"]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    return [tuple(each) for each in BasicSweeper.split_arguments(overrides, None)[0]]


class Composer:
    """Composes the configs of jobs, and gives each its number and folder.

    Args:
        loader: Hydra's.
        config: the config of the sweep.
        ledger: of the sweep.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig, ledger: Ledger) -> None:
        self.loader, self.config, self.ledger = loader, config, ledger

    def jobs(self, combinations: Sequence[tuple[str, ...]]) -> list[SweepJob]:
        """Return the jobs; those that the ledger knows keep number and folder."""
        composed: dict[str, tuple[str, DictConfig, tuple[str, ...]]] = {}
        for overrides in combinations:
            cfg = self.compose(overrides)
            config, key = _hashes(cfg)
            composed.setdefault(key, (config, cfg, overrides))

        def edit(entries: dict[str, Entry]) -> None:
            number = max((entry.number for entry in entries.values()), default=-1)
            for key, (config, cfg, overrides) in composed.items():
                if key not in entries:
                    number += 1
                    entries[key] = Entry(number, subdir(cfg, number), config, list(overrides))

        entries = self.ledger.change(edit)
        jobs = [
            self._job(key, entries[key], cfg, overrides)
            for key, (_, cfg, overrides) in composed.items()
        ]
        # Of one job alone all overrides.
        common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
        for job in jobs:
            own = [each for each in job.overrides if each not in common]
            job.label = f"job {job.number} ({' '.join(own)})"
        return jobs

    def trial(self, number: int, overrides: tuple[str, ...]) -> SweepJob:
        """Return the job of a trial of a search, which has the number of the trial."""
        cfg = self.compose(overrides)
        config, key = _hashes(cfg)
        key = f"{number}-{key}"

        def edit(entries: dict[str, Entry]) -> None:
            entries.setdefault(key, Entry(number, subdir(cfg, number), config, list(overrides)))

        return self._job(key, self.ledger.change(edit)[key], cfg, overrides)

    def compose(self, overrides: tuple[str, ...]) -> DictConfig:
        """Return the config of a job."""
        return self.loader.load_sweep_config(self.config, list(overrides))

    def _job(self, key: str, entry: Entry, cfg: DictConfig, overrides: tuple[str, ...]) -> SweepJob:
        device = OmegaConf.to_container(cfg.get("device") or OmegaConf.create({}), resolve=True)
        assert isinstance(device, dict)
        folder = self.ledger.folder / entry.folder
        return SweepJob(key, entry.number, folder, entry.config, overrides, device)  # type: ignore[arg-type]


def subdir(cfg: DictConfig, number: int) -> str:
    """Return the folder of a job in that of its sweep: ``hydra.sweep.subdir``."""
    with open_dict(cfg):
        cfg.hydra.job.id, cfg.hydra.job.num = str(number), number
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    try:
        return str(Path(str(cfg.hydra.sweep.subdir)))
    finally:
        HydraConfig.instance().cfg = before


def _hashes(cfg: DictConfig) -> tuple[str, str]:
    """Return the hash of a config as its run has it, and the key of the job."""
    content: Any = OmegaConf.to_container(cfg, resolve=False)
    content.pop("hydra", None)
    config = config_hash(content)
    # The checkpoint that a training starts from is not in the hash.
    start = content.get("checkpoint")
    if start is None:
        return config, config
    return config, f"{config}-{hashlib.sha256(str(start).encode()).hexdigest()[:6]}"
