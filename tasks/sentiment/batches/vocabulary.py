"""The vocabulary of a checkpoint, for a training that goes on from it."""

from pathlib import Path
from typing import Any

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import read_checkpoint

VOCABULARY = ("tokenizer", "vocabulary_size", "char_ngrams")
"""Keys of the schema that turn text into token numbers."""


def read_vocabulary(path: str | Path) -> dict[str, Any]:
    """Return the parts of a checkpoint's schema that turn text into token numbers.

    Raises:
        UserError: the file is no checkpoint, or its task reads no texts.
    """
    schema = read_checkpoint(path)["hyper_parameters"].get("schema", {})
    if "tokenizer" not in schema:
        raise UserError(
            f"data.vocabulary_from={path}: the checkpoint of a task on texts is needed; this one "
            "has no vocabulary"
        )
    return {key: schema.get(key) for key in VOCABULARY}
