"""Data module of pairs of texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from gru_suite.data.batch_dataset import batch_loader
from gru_suite.data.splits import PARTS
from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import check_choice, check_count, check_share
from gru_suite.text.data_module import PathOrPair, TextPartsModule
from gru_suite.text.subwords import KINDS, SubwordTokenizer, train_subwords

from .batches.pair_dataset import PairDataset
from .reading.cleaning import drop_unusable, hold_out_missing
from .reading.layouts import read_multi30k
from .reading.pairs import read_pairs
from .reading.text_pairs import Parts, TextPairs
from .results.data_summary import summarize
from .samples.written_dates import load_written_dates

LAYOUTS = ("pairs", "multi30k", "written_dates")
_RATIO_PERCENTILE = 99.9


class PairDataModule(TextPartsModule):
    """Pairs of texts: sources and their targets."""

    items = "pairs"

    def __init__(
        self,
        layout: str = "pairs",
        path: PathOrPair = None,
        train_path: PathOrPair = None,
        val_path: PathOrPair = None,
        test_path: PathOrPair = None,
        source: Column = "source",
        target: Column = "target",
        header: bool | None = None,
        encoding: str = "utf-8",
        split: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        max_bad_fraction: float = 0.01,
        tokenizer: str = "bpe",
        vocabulary_size: int = 4_000,
        shared_vocabulary: bool = True,
        min_count: int = 2,
        lowercase: bool = False,
        max_tokens: int = 250,
        bleu_tokenizer: str = "13a",
        count: int = 60_000,
        batch_size: int = 64,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Check the options; ``setup`` reads the files.

        Args:
            layout: pairs, multi30k, or written_dates (made, embedded).
            path: of ``pairs``: a table (CSV, TSV, JSON lines, Parquet, Excel); two line-aligned
                text files as a list; or what the names of these have in common, so that
                ``corpus`` stands for ``corpus.en`` and ``corpus.de``. It is split by ``split``. Of
                ``multi30k``: the folder.
            train_path: the same of training pairs alone, instead of ``path``.
            val_path: of validation pairs; None holds out training pairs.
            test_path: of test pairs; None holds out training pairs. With a schema it may be the
                only one.
            source: column of the sources, a name or a number from 0; of files the language.
            target: column of the targets; of files the language.
            header: whether CSV and TSV have a header; None infers it.
            encoding: of text files; files that are not valid in it are read as latin-1, with a
                note.
            split: shares of train, val and test, for the parts without a file.
            split_seed: of the split; apart from ``seed``, so that seeds are compared on one split.
            max_bad_fraction: largest share of pairs with an empty side; these are dropped.
            tokenizer: bpe, word or char, trained on the training part.
            vocabulary_size: most tokens in a vocabulary.
            shared_vocabulary: one vocabulary for sources and targets.
            min_count: least frequency of a word, or of a pair of subwords that are joined.
            lowercase: ignore case on both sides; targets are then made in lower case.
            max_tokens: training pairs with a longer side are left out; longer sources are refused
                in prediction.
            bleu_tokenizer: of sacrebleu: 13a, intl, char, zh, ja-mecab, ko-mecab, none.
            count: pairs of ``written_dates``.
            batch_size: pairs in a batch.
            seed: of the order of training pairs, which changes with the epoch.
            schema: of a checkpoint, whose tokenizers are then used.

        Raises:
            UserError: an option has an impossible value.
        """
        paths = {"train": train_path, "val": val_path, "test": test_path}
        super().__init__(path, paths, encoding, schema)
        check_choice("data.layout", layout, LAYOUTS)
        check_choice("data.tokenizer", tokenizer, KINDS)
        for name, value in {"max_tokens": max_tokens, "batch_size": batch_size}.items():
            check_count(f"data.{name}", value, 1)
        check_count("data.count", count, 100)
        check_share("data.max_bad_fraction", max_bad_fraction)
        self.layout, self.split, self.split_seed = layout, split, split_seed
        self.columns = {"source": source, "target": target}
        self.header, self.count = header, count
        self.max_bad_fraction, self.max_tokens = max_bad_fraction, max_tokens
        self._vocabulary: dict[str, Any] = {
            "kind": tokenizer,
            "vocabulary_size": vocabulary_size,
            "min_count": min_count,
            "lowercase": lowercase,
        }
        self._shared, self._bleu_tokenizer = shared_vocabulary, bleu_tokenizer
        self.batch_size, self.seed = batch_size, seed
        self.name = self._name()

    def _name(self) -> str:
        if self.layout == "written_dates":
            return self.layout
        languages = f"{self.columns['source']}_{self.columns['target']}"
        if self.layout == "multi30k":
            return f"multi30k_{languages}"
        return self.name_of_files("text_pairs")

    def make_datasets(self) -> None:
        """Read and encode the pairs; train the tokenizers unless a schema was given."""
        read = self._read()
        parts = {part: drop_unusable(pairs, self.max_bad_fraction) for part, pairs in read.items()}
        if "train" in parts:
            parts = hold_out_missing(parts, self.split, self.split_seed)
            rows = self.training_rows([0] * len(parts["train"]))
            parts["train"] = parts["train"].select(rows)
        self.parts = {part: parts.get(part, TextPairs()) for part in PARTS}
        if self._schema is None:
            self._schema = self._fit_schema(self.parts["train"])
        for part, pairs in self.parts.items():
            self.datasets[part] = self._encode(pairs, whole=part != "train")
        self.parts["train"] = self.datasets["train"].pairs
        if "length_ratio" not in self._schema:
            self._schema["length_ratio"] = _length_ratio(self.datasets["train"])

    def _encode(self, pairs: TextPairs, whole: bool) -> PairDataset:
        """Return token ids; unless ``whole``, pairs that are too long are left out with a note."""
        schema = self.schema()
        source = SubwordTokenizer(schema["source_tokenizer"])
        given = schema["target_tokenizer"]
        target = source if given is None else SubwordTokenizer(given)
        source_ids, target_ids = source.encode(pairs.sources), target.encode(pairs.targets)
        most = int(schema["max_tokens"])
        sizes = [max(len(a), len(b)) for a, b in zip(source_ids, target_ids, strict=True)]
        rows = [row for row, size in enumerate(sizes) if whole or size <= most]
        if len(rows) < len(pairs):
            left = len(pairs) - len(rows)
            pairs = pairs.select(rows)
            pairs.notes.append(
                f"left out of training, more than {most} tokens (data.max_tokens): {left} pairs"
            )
            source_ids = [source_ids[row] for row in rows]
            target_ids = [target_ids[row] for row in rows]
        return PairDataset(pairs, source_ids, target_ids)

    def _read(self) -> Parts:
        if self.layout == "written_dates":
            return load_written_dates(self.count)
        if self.layout == "multi30k":
            if not isinstance(self.path, str):
                raise UserError("data.path is not set; it needs the folder of Multi30k")
            source, target = str(self.columns["source"]), str(self.columns["target"])
            return read_multi30k(Path(self.path), source, target, self.encoding)
        needed = (
            "give a table with columns data.source and data.target, or two line-aligned files as "
            "data.path=[first.txt,second.txt]"
        )
        return {
            part: read_pairs(path, **self.columns, header=self.header, encoding=self.encoding)
            for part, path in self.given_paths(needed).items()
        }

    def _fit_schema(self, train: TextPairs) -> dict[str, Any]:
        if self._shared:
            source = train_subwords([*train.sources, *train.targets], **self._vocabulary)
            target = None
        else:
            source = train_subwords(train.sources, **self._vocabulary)
            target = train_subwords(train.targets, **self._vocabulary)
        return {
            "source_tokenizer": source,
            "target_tokenizer": target,
            "tokenizer": self._vocabulary["kind"],
            "max_tokens": self.max_tokens,
            "source_column": self.columns["source"],
            "target_column": self.columns["target"],
            "encoding": self.encoding,
            "bleu_tokenizer": self._bleu_tokenizer,
        }

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return batches of a part with little padding, longest pairs first unless shuffled."""
        return batch_loader(self.datasets[part], self.batch_size, shuffle, self.seed)

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Fit the baselines on the training pairs and score them on those of ``stage``.

        The metrics have no options but those of the schema, so ``scoring`` is ignored.
        """
        from .training.baselines import baseline_scores

        scored = self.parts[stage].select(self.scored_items(stage).tolist())
        return baseline_scores(self.parts["train"], scored, self.schema()["bleu_tokenizer"])

    def raw_examples(self, count: int) -> list[Any]:
        """Return test sources of different lengths."""
        test = self.datasets["test"]
        return [test.pairs.sources[row] for row in spread_by_length(test.lengths, count)]

    def summary(self) -> list[str]:
        """Return lines on sizes, vocabulary, lengths, and pairs left out."""
        return summarize(self.name, self.parts, self._token_lines())

    def _token_lines(self) -> list[str]:
        """Return lines on vocabulary, length in tokens, and how BLEU is computed."""
        from .training.metrics import TranslationMetrics

        schema, train = self.schema(), self.datasets["train"]
        names = ("source_tokenizer", "target_tokenizer")
        sizes = [SubwordTokenizer(schema[name]).size for name in names if schema[name]]
        kind = "shared by both sides" if len(sizes) == 1 else "of sources and of targets"
        lines = [f"vocabulary: {' and '.join(f'{size:,}' for size in sizes)} tokens ({kind})"]
        if len(train):
            longest = max(max(map(len, ids)) for ids in (train.source_ids, train.target_ids))
            lines[0] += f", training texts of at most {longest:,}"
        signature = TranslationMetrics(schema["bleu_tokenizer"]).signatures()
        return [*lines, *(f"{name}: sacreBLEU {each}" for name, each in signature.items())]


def _length_ratio(train: PairDataset) -> float:
    """Return how many target tokens nearly all sources have for each of theirs."""
    ratios = [
        len(target) / max(len(source), 1)
        for source, target in zip(train.source_ids, train.target_ids, strict=True)
    ]
    return float(np.percentile(ratios, _RATIO_PERCENTILE)) if ratios else 1.0
