"""The command line for Hydra: overrides first, then flags, with absolute paths."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra._internal.utils import get_args_parser

from gru_suite.cli.suggestions import with_keys
from gru_suite.errors import UserError, nearest
from gru_suite.launchers import find_launch, job_folder
from gru_suite.plugins import own_package

# Verbs whose data options override those in the checkpoint, which no config file has.
_VERBS_WITH_CHECKPOINT_DATA = ("evaluate", "predict")


@dataclass(frozen=True)
class HydraCall:
    """One Hydra command line.

    Attributes:
        verb: the verb.
        config_name: the root config.
        config_dir: the folder of another root config (a rerun); None for the package's.
        overrides: the arguments ``key=value``.
        flags: the flags of Hydra.
    """

    verb: str
    config_name: str
    config_dir: str | None
    overrides: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The arguments for the parser of Hydra, which takes overrides only in one block."""
        return [*self.overrides, *self.flags]

    def values(self, key: str) -> list[str]:
        """Return the values of ``key``; a sweep has several."""
        given = [o.partition("=")[2] for o in self.overrides if override_key(o) == key]
        return [value.strip() for text in given for value in text.split(",")]


def override_key(override: str) -> str:
    """Return the key of an override without prefix and package, such as ``a`` of ``+a@b=1``."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].strip()


def parse_hydra_call(
    verb: str, config_name: str, words: Sequence[str], verbs: Iterable[str]
) -> HydraCall:
    """Split the arguments after the verb into overrides and flags.

    Raises:
        UserError: there is an unknown flag, a flag without its value, or an argument that is
            neither flag nor override.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]  # argparse would print and exit
    known, extra = parser.parse_known_args(list(words))
    _check_extra(extra, [flag for action in parser._actions for flag in action.option_strings])
    overrides = [*known.overrides, *extra]
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            _refuse_word(override, verb, verbs, words)
    flags = list(words)
    for override in overrides:
        flags.remove(override)
    config_dir, root, chosen = None, config_name, known.config_name or config_name
    resumed = [o for o in overrides if verb == "train" and override_key(o) == "resume"]
    if resumed and not known.multirun and resumed[-1].partition("=")[2] not in ("null", ""):
        folder = resumed[-1].partition("=")[2].strip("'\"")
        overrides.remove(resumed[-1])
        config_dir = str(_run_config(folder))
        flags += ["--config-path", config_dir]
        overrides = [*_resume_overrides(folder, config_dir), *overrides]
        chosen = "config"
        flags += ["--config-name", chosen]
    elif known.config_path is not None and "://" not in known.config_path:
        config_dir = str(Path(known.config_path).absolute())
        # Relative paths would be relative to the installed package.
        flags += ["--config-path", config_dir]
        overrides = [*_rerun_overrides(Path(config_dir), root), *overrides]
        if known.multirun and verb == "train":
            overrides = [*_sweep_overrides(overrides), *overrides]
    named = {override_key(override) for override in overrides}
    if verb == "predict" and not known.multirun and "output" in named:
        # The output has its place: no run folder.
        overrides += ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]
    if not known.multirun:
        overrides += _launch_overrides(verb, named, words)
    if verb in _VERBS_WITH_CHECKPOINT_DATA:
        overrides = [f"++{o}" if o.startswith("data.") else o for o in overrides]
    return HydraCall(verb, chosen, config_dir, tuple(overrides), tuple(flags))


def _launch_overrides(verb: str, named: Iterable[str], words: Sequence[str]) -> list[str]:
    """Return one run folder for all processes of a job, in which the first of them writes."""
    launch = find_launch()
    overrides = []
    if verb == "train" and launch.job is not None and "hydra.run.dir" not in named:
        # Also where the job is started again, so that its run goes on.
        name = job_folder(launch.job, words)
        overrides.append(f"hydra.run.dir='outputs/${{hydra:runtime.choices.task}}/{name}'")
    if launch.rank:
        overrides += ["hydra/job_logging=stdout", "hydra.output_subdir=null"]
    return overrides


def _run_config(folder: str) -> Path:
    """Return the folder of the composed config of a run.

    Raises:
        UserError: it is not a run folder.
    """
    found = Path(folder).expanduser().absolute()
    if (found / ".hydra" / "config.yaml").is_file():
        return found / ".hydra"
    if found.is_file():
        parents = [each for each in found.parents if (each / ".hydra").is_dir()]
        hint = f"; did you mean resume={parents[0]}?" if parents else ""
        raise UserError(f"resume={folder}: is a file, a run folder is needed{hint}")
    if not found.is_dir():
        near = [each.name for each in found.parent.glob("*")] if found.parent.is_dir() else []
        raise UserError(f"resume={folder}: no such folder{nearest(found.name, near)}")
    runs = [each for each in sorted(found.iterdir()) if (each / ".hydra").is_dir()]
    inside = f"; run folders in it: {', '.join(each.name for each in runs[-3:])}" if runs else ""
    raise UserError(f"resume={folder}: no run folder (it has no .hydra/config.yaml){inside}")


def _resume_overrides(folder: str, config_dir: str) -> list[str]:
    """Return the overrides that let a run go on in its folder."""
    quoted = "'" + str(Path(folder).expanduser().absolute()) + "'"
    kept = [o for o in _rerun_overrides(Path(config_dir), "train") if "hydra.run.dir" not in o]
    kept += _new_keys(Path(config_dir))
    return [*kept, f"hydra.run.dir={quoted}", "hydra.output_subdir=null", f"++resume={quoted}"]


def _new_keys(config_dir: Path) -> list[str]:
    """Return the keys that a run of an earlier version lacks, with their defaults, as overrides."""
    saved = _flat(_read(config_dir / "config.yaml"))
    root = _read(own_package().conf / "train.yaml")
    defaults = _flat({key: root[key] for key in root if key not in ("defaults", "hydra")})
    return [f"+{key}={value}" for key, value in defaults.items() if key not in saved]


def _rerun_overrides(config_dir: Path, config_name: str) -> list[str]:
    """Return what ``.hydra/config.yaml`` of a run lacks, as overrides: choices and run folder."""
    if not config_dir.is_dir():
        raise UserError(f"--config-path {config_dir}: no such folder")
    hydra_file = config_dir / "hydra.yaml"
    if not hydra_file.is_file():
        return []
    choices = _read(hydra_file)["hydra"]["runtime"]["choices"]
    overrides = [
        f"+hydra.runtime.choices.{group}={choice}"
        for group, choice in choices.items()
        if isinstance(choice, str) and re.fullmatch(r"\w+", group)
    ]
    # The saved run folder may be a fixed path; a rerun must not overwrite the first run.
    conf = own_package().conf
    of_verb = _read(conf / f"{config_name}.yaml").get("hydra") or {}
    keys = {**_flat(_read(conf / "run_folder.yaml")), **_flat(of_verb)}
    return overrides + [f"hydra.{key}={value}" for key, value in keys.items()]


def _sweep_overrides(given: Iterable[str]) -> list[str]:
    """Return what the root config of a rerun lacks for a sweep."""
    folder: str = _read(own_package().conf / "sweep_folder.yaml")["sweep"]["dir"]
    needed = {
        "hydra/launcher": "process",
        "hydra/sweeper": "ledger",
        "hydra.sweep.dir": f"'{folder}'",
    }
    # The later of two values counts, but a group takes one choice.
    groups = {override_key(each) for each in given if "/" in override_key(each)}
    return [f"{key}={value}" for key, value in needed.items() if key not in groups]


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def _flat(node: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the values of nested keys by dotted key, formatted as in overrides."""
    flat: dict[str, str] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            plain = "null" if value is None else str(value).lower()
            flat[prefix + key] = f"'{value}'" if isinstance(value, str) else plain
    return flat


def _check_extra(extra: Sequence[str], flags: Sequence[str]) -> None:
    for word in extra:
        if word.startswith("-"):
            raise UserError(f"no flag {word!r}{nearest(word, [f for f in flags if f[:2] == '--'])}")


def _refuse_word(word: str, verb: str, verbs: Iterable[str], words: Sequence[str]) -> NoReturn:
    if word in verbs:
        raise UserError(f"the verb {word!r} comes first: gru-suite {word} ...")
    raise UserError(f"{word!r} is no override; {with_keys(verb, words)}")


def _refuse(message: str) -> NoReturn:
    raise UserError(message)
