"""Sources to translate, from strings, tables and files."""

from typing import Any

from gru_suite.data.tables.text_files import Column
from gru_suite.text.prediction_inputs import read_texts


def read_sources(raw: Any, source_column: Column, encoding: str) -> list[str]:
    """Return the sources of an input of ``TranslationModel.predict``.

    Args:
        raw: a text, a sequence of texts, a table, or the path of a text file (a source a line) or
            of a table.
        source_column: that of the training data.
        encoding: of text files.

    Raises:
        UserError: the input is none of these, or has elements other than texts.
    """
    return read_texts(raw, source_column, encoding, depth=2)
