"""The vocabulary of a checkpoint, for a training that starts from its weights."""

from pathlib import Path
from typing import Any

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import read_checkpoint

VOCABULARY_KEYS = ("tokenizer", "vocabulary_size", "char_ngrams")
"""Keys of the schema that map texts to token ids."""


def read_vocabulary(path: str | Path) -> dict[str, Any]:
    """Return the entries ``VOCABULARY_KEYS`` of a checkpoint's schema.

    Raises:
        UserError: the file is no checkpoint, or its task has no vocabulary.
    """
    schema = read_checkpoint(path)["hyper_parameters"].get("schema", {})
    if "tokenizer" not in schema:
        raise UserError(
            f"data.vocabulary_from={path}: the checkpoint of a task on texts is needed; this one "
            "has no vocabulary"
        )
    return {key: schema.get(key) for key in VOCABULARY_KEYS}
