"""Tab completion of verbs, flags, files, and the groups and keys of Hydra."""

import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gru_suite.cli.help import option_groups, root_config

if TYPE_CHECKING:
    from gru_suite.cli.verbs import Verb

_FLAGS = ("--cfg", "--help", "--hydra-help", "--info", "--multirun", "--version", "-cn", "-cp")


def complete(verbs: Mapping[str, "Verb"], query: Sequence[str]) -> int:
    """Print the completions of the last word of ``$COMP_LINE``.

    Args:
        verbs: verbs by name.
        query: arguments that the completion function of the shell passes to Hydra.

    Returns:
        The exit code.
    """
    line = os.environ.get("COMP_LINE", "")
    program, *words = line.split() or [""]
    current = "" if line.endswith(" ") or not words else words.pop()
    verb = verbs.get(words[0]) if words else None
    if verb is not None and verb.config is None:
        own = [word for word, _ in verb.words if not word.isupper()]
        found = [word for word in own if word.startswith(current) and word != current]
    elif current.startswith("-"):
        found = [flag for flag in _FLAGS if flag.startswith(current)]
    elif verb is not None and verb.config is not None:
        found = _from_hydra(verb.config, query, [program, *words[1:], current])
    else:
        found = [] if words else [verb for verb in verbs if verb.startswith(current)]
        found += _from_hydra("train", query, [program, *words, current])
    print(" ".join(found or _files(current)))
    return 0


def _from_hydra(config: str, query: Sequence[str], line: list[str]) -> list[str]:
    import hydra

    from gru_suite.cli.search_path import CONFIGS, prepare_hydra

    prepare_hydra()
    argv = sys.argv
    sys.argv = [argv[0], *query]
    os.environ["COMP_LINE"] = " ".join(line)
    printed = io.StringIO()
    try:
        # An incomplete line must not print errors into the prompt.
        with (
            suppress(Exception, SystemExit),
            redirect_stdout(printed),
            redirect_stderr(io.StringIO()),
        ):
            hydra.main(version_base="1.3", config_path=CONFIGS, config_name=config)(print)()
    finally:
        sys.argv = argv
    # Hydra offers all groups, also those that are not in the defaults of this root config.
    others = option_groups().keys() - root_config(config)[0].keys()
    return [word for word in printed.getvalue().split() if word.rstrip("=/") not in others]


def _files(word: str) -> list[str]:
    """Return overrides whose values are paths that start with that of ``word``."""
    key, equals, prefix = word.partition("=")
    if not equals:
        return []
    folder = Path(prefix).parent if not prefix.endswith("/") else Path(prefix)
    start = prefix[: len(prefix) - len(prefix.rpartition("/")[2])]
    names = sorted(
        path.name + ("/" if path.is_dir() else "")
        for path in (folder.iterdir() if folder.is_dir() else ())
    )
    return [f"{key}={start}{n}" for n in names if f"{start}{n}".startswith(prefix) and " " not in n]
