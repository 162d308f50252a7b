"""The base of data modules of texts: parts from tables or other files, and a fitted schema."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.data.splits import PARTS
from gru_suite.data.tables.text_files import check_encoding
from gru_suite.errors import UserError

PathOrPair = str | Sequence[str] | None
"""A path, or two line-aligned files where the module reads such."""


class TextPartsModule(SequenceDataModule):
    """Texts in the parts train, val and test, of which files give some and a split the others.

    A subclass reads and encodes them in :meth:`make_datasets`.

    Attributes:
        items: what an example is called in messages: ``texts``, ``pairs``.
        parts: the texts of train, val and test, after ``setup``.
        datasets: the same as token ids, after ``setup``.
    """

    items: ClassVar[str]

    def __init__(
        self,
        path: PathOrPair,
        paths: Mapping[str, PathOrPair],
        encoding: str,
        schema: dict[str, Any] | None,
    ) -> None:
        """Store where the texts are.

        Args:
            path: of the training texts, or of all parts.
            paths: of each part, None where there is none.
            encoding: of text files.
            schema: of a checkpoint, which is then used.

        Raises:
            UserError: Python has no such encoding.
        """
        super().__init__()
        check_encoding(encoding)
        self.path, self.paths, self.encoding = path, dict(paths), encoding
        self._schema = schema
        self.parts: dict[str, Any] = {}
        self.datasets: dict[str, Any] = {}

    @abstractmethod
    def make_datasets(self) -> None:
        """Read and encode the texts: set ``parts`` and ``datasets``, and the schema if it is None.

        Raises:
            UserError: the data cannot be used.
        """

    def setup(self, stage: str | None = None) -> None:
        """Read and encode the texts, once; fit the schema unless one was given.

        Raises:
            UserError: the data cannot be used.
        """
        if not self.datasets:
            self.make_datasets()
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
        for part in needed.get(stage or "", PARTS):
            if not len(self.datasets[part]):
                raise UserError(
                    f"{self.name}: the {part} part is empty ({len(self.parts['train'])} training "
                    f"{self.items}); give its file, or a larger share in data.split"
                )

    def schema(self) -> dict[str, Any]:
        """Return the given schema, or the one of the training part, after ``setup``."""
        if self._schema is None:
            raise RuntimeError("schema() needs setup() first")
        return self._schema

    def given_paths(self, needed: str) -> dict[str, str | Sequence[str]]:
        """Return the path of each part that has one; ``path`` is that of train.

        Args:
            needed: what to give, for the message where there is none.

        Raises:
            UserError: there are none of train, or two.
        """
        paths = {part: path for part, path in self.paths.items() if path is not None}
        if self.path is not None:
            if "train" in paths:
                raise UserError("data.path and data.train_path are both set; set one of them")
            paths["train"] = self.path
        if "train" not in paths and not (paths and self._schema):
            raise UserError(f"data.path is not set; {needed}")
        return paths

    def name_of_files(self, default: str) -> str:
        """Return the name of the files without endings, or a default where none is given."""
        given = self.path or self.paths["train"] or self.paths["test"]
        if not given:
            return default
        first = given if isinstance(given, str) else given[0]
        return Path(first).resolve().name.split(".")[0]
