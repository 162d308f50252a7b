"""``gru-suite compare``: runs side by side, with statistics over seeds, as a report."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gru_suite.errors import UserError, nearest
from gru_suite.files import existing_folder

if TYPE_CHECKING:
    from gru_suite.results.comparison.run_records import RunRecord

OPTIONS = ("output", "metric")


def compare(words: Sequence[str]) -> int:
    """Write a report on runs and print its tables.

    Args:
        words: arguments: folders of runs or sweeps, optionally ``output=FOLDER`` and
            ``metric=NAME``.

    Returns:
        The exit code.

    Raises:
        UserError: an argument is unknown, a folder has no runs, or no run has the metric.
    """
    folders, options = split_words(words)
    from gru_suite.results.comparison.grouping import make_sections
    from gru_suite.results.comparison.report_files import write_report
    from gru_suite.results.comparison.summaries import summarize
    from gru_suite.results.comparison.terminal import print_summary

    runs = read_all(folders)
    metric = check_metric(options["metric"], runs) if "metric" in options else None
    summaries = [summarize(section) for section in make_sections(runs, metric)]
    given = options.get("output")
    output = Path(given).expanduser() if given else default_output(folders, datetime.now())
    report = write_report(output, summaries)
    for summary in summaries:
        print_summary(summary)
    sys.stdout.write(f"report: {report}\n")
    return 0


def split_words(words: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    """Split the arguments into folders and options.

    Raises:
        UserError: a folder does not exist, an option is unknown or empty, or there is no folder.
    """
    folders: list[Path] = []
    options: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if (folder := existing_folder(word)) is not None:
            folders.append(folder)
        elif not equals:
            raise UserError(f"no folder {word!r}; gru-suite runs lists the folders of runs")
        elif key not in OPTIONS:
            raise UserError(f"no key {key!r}{nearest(key, OPTIONS)}")
        elif not value:
            raise UserError(f"{key}= needs a value")
        else:
            options[key] = value
    if not folders:
        raise UserError(
            "folders of runs or sweeps are needed: gru-suite compare outputs/sweeps/NAME; "
            "gru-suite runs lists the folders of runs"
        )
    return folders, options


def read_all(folders: Sequence[Path]) -> list["RunRecord"]:
    """Return the runs of all folders, each once.

    Raises:
        UserError: a folder has no runs.
    """
    from gru_suite.results.comparison.run_records import find_runs

    runs: dict[Path, RunRecord] = {}
    for folder in folders:
        found = find_runs(folder)
        if not found:
            raise UserError(
                f"no training run in {folder}: neither it nor a folder in it has the config.yaml "
                "of one"
            )
        for run in found:
            runs.setdefault(run.folder.resolve(), run)
    return list(runs.values())


def check_metric(name: str, runs: Sequence["RunRecord"]) -> str:
    """Return the name of a test metric without ``test/``.

    Raises:
        UserError: no run has it.
    """
    metric = name.removeprefix("test/")
    known = list(dict.fromkeys(known for run in runs for known in run.test_metrics))
    if metric not in known:
        raise UserError(f"metric={name}: no run has it on the test part{nearest(metric, known)}")
    return metric


def default_output(folders: Sequence[Path], now: datetime) -> Path:
    """Return ``comparison`` in a single sweep folder, else a new folder in ``outputs/compare``."""
    from gru_suite.results.comparison.run_records import is_sweep

    if len(folders) == 1 and is_sweep(folders[0]):
        return folders[0] / "comparison"
    return Path("outputs", "compare", f"{now:%Y-%m-%d_%H-%M-%S}")
