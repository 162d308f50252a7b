"""Data module of documents and summaries."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from gru_suite.data.splits import PARTS
from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import check_choice, check_count
from gru_suite.text.char_ngrams import check_ngrams
from gru_suite.text.data_module import TextPartsModule
from gru_suite.text.tokenizer import TextTokenizer

from .batches.encoding import DocumentDataset, document_loader
from .batches.schema import fit_schema
from .batches.scored_document import ScoredDocument
from .reading.documents import Documents, Parts
from .reading.folders import read_document_folder
from .reading.layouts import read_scitldr
from .reading.splits import cut_documents, drop_unusable, hold_out_missing
from .reading.tables import read_document_table
from .results.data_summary import summarize
from .samples.package_docs import read_package_docs

SOURCES = ("table", "folder", "scitldr", "package_docs")


class DocumentDataModule(TextPartsModule):
    """Documents with summaries, or with labels of the sentences that a summary keeps."""

    items = "documents"

    def __init__(
        self,
        source: str = "table",
        path: str | None = None,
        train_path: str | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        document_column: Column = "document",
        summary_column: Column | None = "summary",
        labels_column: Column | None = None,
        group_column: Column | None = None,
        encoding: str = "utf-8",
        split: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        max_bad_fraction: float = 0.01,
        tokenizer: str = "word",
        vocabulary_size: int = 20_000,
        min_count: int = 2,
        lowercase: bool = True,
        char_ngrams: Sequence[int] | None = (3, 6),
        max_tokens: int = 80,
        max_sentences: int = 200,
        max_documents: int | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Check the options; ``setup`` reads the files.

        Args:
            source: table, folder, scitldr (its published layout) or package_docs (embedded).
            path: the file or folder; a table or a folder without parts is split by ``split``.
            train_path: a table of training documents, instead of ``path``.
            val_path: a table of validation documents; None holds out training documents.
            test_path: a table of test documents; None holds out training documents. With a schema
                it may be the only one.
            document_column: column of the documents in a table, a name or a number from 0.
            summary_column: column of the summaries; None where there are labels only.
            labels_column: column of a 0 or 1 for each sentence, which replace the oracle; None
                where the table has none.
            group_column: documents with the same value are in one part; None: each is its own
                group, with those of equal text.
            encoding: of text files; files that are not valid in it are read as latin-1, with a
                note.
            split: shares of train, val and test, for the parts without a file.
            split_seed: of the split; apart from ``seed``, so that seeds are compared on one split.
            max_bad_fraction: largest share of documents without text or summary; these are dropped.
            tokenizer: word or bpe, trained on the training part.
            vocabulary_size: most tokens in the vocabulary.
            min_count: words that occur less often are unknown.
            lowercase: ignore case.
            char_ngrams: shortest and longest character n-grams, in letters, whose embeddings are
                added to that of the word; None adds none. Tokens of bpe have none.
            max_tokens: longer sentences are truncated for the network; a summary has them whole.
            max_sentences: of a training document; longer ones are cut. Others are never cut.
            max_documents: of the embedded documentation, drawn at random; None takes all.
            batch_size: documents in a batch.
            num_workers: processes that make batches; that costs little, so 0 is usually fastest.
            seed: of the order of training documents, which changes with the epoch.
            schema: of a checkpoint, whose vocabulary and number of sentences are then used.

        Raises:
            UserError: an option has an impossible value.
        """
        paths = {"train": train_path, "val": val_path, "test": test_path}
        super().__init__(path, paths, encoding, schema)
        check_choice("data.source", source, SOURCES)
        counts = {"vocabulary_size": vocabulary_size, "min_count": min_count}
        sizes = {"max_tokens": max_tokens, "max_sentences": max_sentences, "batch_size": batch_size}
        for name, value in (counts | sizes).items():
            check_count(f"data.{name}", value, 3 if name == "vocabulary_size" else 1)
        check_count("data.num_workers", num_workers, 0)
        if max_documents is not None:
            check_count("data.max_documents", max_documents, 1)
        check_ngrams(char_ngrams)
        self.source = source
        self.columns: dict[str, Any] = {
            "document_column": document_column,
            "summary_column": summary_column,
            "labels_column": labels_column,
            "group_column": group_column,
        }
        self.split, self.split_seed, self.max_bad_fraction = split, split_seed, max_bad_fraction
        self.max_sentences, self.max_documents = max_sentences, max_documents
        self._vocabulary = {"kind": tokenizer, "lowercase": lowercase, **counts}
        ngrams = list(char_ngrams) if char_ngrams and tokenizer == "word" else None
        self._encoding = {"max_tokens": max_tokens, "truncation": "head", "char_ngrams": ngrams}
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.name = self._name()

    def _name(self) -> str:
        if self.source in ("table", "folder"):
            return self.name_of_files(self.source)
        return self.source

    def make_datasets(self) -> None:
        """Read and encode the documents; train the tokenizer unless a schema was given."""
        read = self._read()
        parts = {part: drop_unusable(each, self.max_bad_fraction) for part, each in read.items()}
        if "train" in parts:
            parts = hold_out_missing(parts, self.split, self.split_seed)
            train = parts["train"]
            rows = self.training_rows([""] * len(train))
            parts["train"] = cut_documents(train.select(rows), self.max_sentences)
        self.parts = {part: parts.get(part, Documents()) for part in PARTS}
        if self._schema is None:
            facts = {"document_column": self.columns["document_column"], "encoding": self.encoding}
            train = self.parts["train"]
            self._schema = fit_schema(train, self._vocabulary, {**facts, **self._encoding})
        tokenizer = TextTokenizer(self._schema)
        for part, documents in self.parts.items():
            sentences = [document.sentences for document in documents.items]
            scored = [ScoredDocument(document) for document in documents.items]
            limit = self._schema["num_sentences"]
            self.datasets[part] = DocumentDataset(sentences, tokenizer, scored, limit)

    def _read(self) -> Parts:
        if self.source == "table":
            return self._read_tables()
        if self.source == "package_docs":
            return {"train": read_package_docs(self.max_documents, self.split_seed)}
        if self.path is None:
            raise UserError("data.path is not set; it needs the folder of the data set")
        readers: dict[str, Callable[[Path, str], Parts]] = {
            "folder": read_document_folder,
            "scitldr": read_scitldr,
        }
        return readers[self.source](Path(str(self.path)).expanduser(), self.encoding)

    def _read_tables(self) -> Parts:
        needed = "give a table of documents and summaries, or data.train_path and data.test_path"
        return {
            part: read_document_table(
                Path(str(path)).expanduser(), **self.columns, encoding=self.encoding
            )
            for part, path in self.given_paths(needed).items()
        }

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return batches of a part with little padding, longest first unless shuffled."""
        return document_loader(
            self.datasets[part], self.batch_size, shuffle, self.seed, self.num_workers
        )

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Choose sentences by the baselines and score them; the oracle is the ceiling.

        Args:
            stage: the part to score.
            scoring: ``num_sentences`` and ``max_words`` of the task's summaries.
        """
        from .training.baselines import baseline_choices, score_choices

        rows = self.scored_items(stage).tolist()
        dataset = self.datasets[stage]
        documents = [dataset.documents[row] for row in rows]
        training = [document.sentences for document in self.parts["train"].items]
        choices = baseline_choices(documents, training, **(scoring or self._scoring()))
        dataset.choices = {
            name: dict(zip(rows, each, strict=True)) for name, each in choices.items()
        }
        return {name: score_choices(documents, each) for name, each in choices.items()}

    def _scoring(self) -> dict[str, Any]:
        return {"num_sentences": self.schema()["num_sentences"], "max_words": None}

    def raw_examples(self, count: int) -> list[Any]:
        """Return test documents of different lengths, as lists of their sentences."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        return [" ".join(self.parts["test"].items[row].sentences) for row in rows]

    def summary(self) -> list[str]:
        """Return lines on sizes, vocabulary, lengths, summaries, and documents left out."""
        return summarize(self.name, self.schema(), self.parts, self.datasets)
