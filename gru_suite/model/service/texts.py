"""Texts from clients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gru_suite.errors import UserError
from gru_suite.model.service.limits import Limits
from gru_suite.model.service.service import kind_of


def read_text(value: Any, limits: Limits) -> str:
    """Return a text from JSON.

    Raises:
        UserError: it is none, empty or too long.
    """
    if not isinstance(value, str):
        raise UserError(f"an input of type {kind_of(value)}: needs a text, as a string")
    if len(value) > limits.max_characters:
        raise UserError(
            f"a text of {len(value):,} characters: at most {limits.max_characters:,} are taken here"
        )
    # Halves of surrogate pairs, which JSON allows and no encoding does.
    text = value.encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        raise UserError("found no text to predict; at least one that is not empty is needed")
    return text


def read_text_file(path: Path, name: str, read: Callable[[str], str]) -> str:
    """Return the content of a text file as one text.

    Args:
        path: the file.
        name: what it is called in messages.
        read: checks the text.

    Raises:
        UserError: it is not UTF-8, or ``read`` refuses it.
    """
    try:
        return read(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
