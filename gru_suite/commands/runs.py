"""``gru-suite runs``: a list of runs with their scores."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gru_suite.errors import UserError, nearest
from gru_suite.files import existing_folder

DEFAULT_FOLDER = "outputs"
SORTS = ("newest", "best")
FORMATS = ("table", "json")
OPTIONS = ("sort", "format", "limit")
# The newest runs would leave the screen of a terminal.
_MAX_ROWS = 30


def runs(words: Sequence[str]) -> int:
    """Print the runs below a folder.

    Args:
        words: arguments: optionally a folder, ``sort=``, ``format=``, ``limit=``, and filters:
            ``task``, ``data``, ``cell``, ``state``, ``seed`` or a dotted key of the config.

    Returns:
        The exit code.

    Raises:
        UserError: an argument is unknown, or there is no such run.
    """
    folder, options, filters = split_words(words)
    from gru_suite.results.comparison.run_list import (
        filter_runs,
        list_facts,
        list_table,
        sort_runs,
    )
    from gru_suite.results.comparison.run_records import find_runs

    found = find_runs(folder)
    if not found:
        raise UserError(f"no training run in {folder}; name another folder: gru-suite runs FOLDER")
    listed = sort_runs(filter_runs(found, filters, OPTIONS), options["sort"])
    as_json = options["format"] == "json"
    limit = int(options.get("limit", len(listed) if as_json else _MAX_ROWS))
    if as_json:
        sys.stdout.write(f"{json.dumps(list_facts(listed[:limit]), indent=2)}\n")
        return 0
    from gru_suite.results.comparison.terminal import print_table

    print_table(list_table(listed[:limit]))
    if len(listed) > limit:
        sys.stdout.write(f"{limit} of {len(listed)} runs; limit={len(listed)} shows all\n")
    return 0


def split_words(
    words: Sequence[str],
) -> tuple[Path, dict[str, str], list[tuple[str, str]]]:
    """Split the arguments into folder, options with their defaults, and filters.

    Raises:
        UserError: there are two folders, the folder does not exist, or an option has no such value.
    """
    folders: list[Path] = []
    options = {"sort": SORTS[0], "format": FORMATS[0]}
    filters: list[tuple[str, str]] = []
    for word in words:
        key, equals, value = word.partition("=")
        folder = existing_folder(word)
        if folder is not None or not equals:
            if folder is None:
                raise UserError(f"no folder {word!r}; write a filter as key=value")
            folders.append(folder)
        elif key in OPTIONS:
            options[key] = value
        else:
            filters.append((key, value))
    _check_options(options)
    if len(folders) > 1:
        raise UserError(f"one folder is needed, found {' and '.join(map(str, folders))}")
    if not folders and not Path(DEFAULT_FOLDER).is_dir():
        raise UserError(
            f"no folder {DEFAULT_FOLDER} here; name the folder of the runs: gru-suite runs FOLDER"
        )
    return folders[0] if folders else Path(DEFAULT_FOLDER), options, filters


def _check_options(options: dict[str, str]) -> None:
    for key, choices in (("sort", SORTS), ("format", FORMATS)):
        if options[key] not in choices:
            hint = nearest(options[key], choices)
            raise UserError(f"{key}={options[key]}: no such {key}{hint}")
    limit = options.get("limit", "1")
    if not limit.isdecimal() or int(limit) < 1:
        raise UserError(f"limit={limit}: needs a whole number, 1 or more")
