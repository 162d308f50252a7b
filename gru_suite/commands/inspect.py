"""``gru-suite inspect``: the model card of a checkpoint, from the file alone."""

import json
import sys
from collections.abc import Sequence

from gru_suite.errors import UserError, nearest

FORMATS = ("markdown", "json")


def inspect(words: Sequence[str]) -> int:
    """Print the model card of a checkpoint, without importing the code of its task.

    Args:
        words: arguments: ``checkpoint=FILE``, optionally ``format=json``.

    Returns:
        The exit code.

    Raises:
        UserError: an argument is unknown, or the file is no checkpoint of GRU Suite.
    """
    options = {"checkpoint": "", "format": FORMATS[0]}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} is no option; write checkpoint={word}")
        if key not in options:
            raise UserError(f"no key {key!r}{nearest(key, options)}")
        options[key] = value
    if options["format"] not in FORMATS:
        raise UserError(f"format={options['format']}: no such format{nearest('', FORMATS)}")
    if not options["checkpoint"]:
        raise UserError("checkpoint is needed; add checkpoint=...")
    from gru_suite.results.model_card import read_facts, render
    from gru_suite.results.table import plain_numbers

    facts = read_facts(options["checkpoint"])
    as_json = options["format"] == "json"
    text = json.dumps(plain_numbers(facts), indent=2) if as_json else render(facts)
    sys.stdout.write(f"{text.rstrip()}\n")
    return 0
