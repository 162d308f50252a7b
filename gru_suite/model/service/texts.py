"""Texts from clients."""

from pathlib import Path
from typing import Any, ClassVar

from gru_suite.errors import UserError
from gru_suite.model.service.limits import Limits
from gru_suite.model.service.service import kind_of


class TextInputs:
    """What services of models of texts have in common: a text as JSON or as a file."""

    input_kind: ClassVar[str] = "text"
    suffixes: tuple[str, ...] = (".txt",)
    limits: Limits

    def inputs(self) -> dict[str, Any]:
        """Return the largest number of characters."""
        return {"max_characters": self.limits.max_characters}

    def read(self, value: Any) -> str:
        """Return a text.

        Raises:
            UserError: it is none, empty or too long.
        """
        if not isinstance(value, str):
            raise UserError(f"an input of type {kind_of(value)}: needs a text, as a string")
        if len(value) > self.limits.max_characters:
            raise UserError(
                f"a text of {len(value):,} characters: at most {self.limits.max_characters:,} are "
                "taken here"
            )
        # Halves of surrogate pairs, which JSON allows and no encoding does.
        text = value.encode("utf-8", "replace").decode("utf-8")
        if not text.strip():
            raise UserError("found no text to predict; at least one that is not empty is needed")
        return text

    def read_file(self, path: Path, name: str) -> str:
        """Return the content of a text file as one text.

        Raises:
            UserError: it is not UTF-8, or :meth:`read` refuses it.
        """
        try:
            return self.read(path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: is not UTF-8 (byte {error.start}); save it as UTF-8"
            ) from None
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
