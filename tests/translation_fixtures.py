"""Small translation models."""

from collections.abc import Sequence
from typing import Any

import torch

from gru_suite.tasks.translation.batches.pair_dataset import PairDataset
from gru_suite.tasks.translation.reading.text_pairs import TextPairs
from gru_suite.tasks.translation.task import TranslationTask
from gru_suite.text.subwords import SubwordTokenizer, train_subwords

SOURCES = ["a red house", "two small houses", "a dog", "the dog runs to a small red house today"]
TARGETS = ["ein rotes Haus", "zwei kleine Häuser", "ein Hund", "der Hund läuft heute zum Haus"]


def pair_schema(
    sources: Sequence[str] = SOURCES,
    targets: Sequence[str] = TARGETS,
    kind: str = "bpe",
    shared: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """Return the schema of pairs, and some other entries."""
    texts = [[*sources, *targets]] if shared else [sources, targets]
    trained = [train_subwords(each, kind, 80, 1) for each in texts]
    schema = {
        "source_tokenizer": trained[0],
        "target_tokenizer": None if shared else trained[1],
        "tokenizer": kind,
        "max_tokens": 40,
        "length_ratio": 2.0,
        "source_column": "source",
        "target_column": "target",
        "encoding": "utf-8",
        "bleu_tokenizer": "13a",
    }
    return schema | changes


def make_task(**options: Any) -> TranslationTask:
    """Return a small task in evaluation mode, with seeded weights."""
    torch.manual_seed(options.pop("seed", 0))
    backbone = {"hidden_size": 8, "bidirectional": True} | options.pop("backbone", {})
    schema = options.pop("schema", None) or pair_schema()
    return TranslationTask(backbone, schema, embedding_size=12, **options).eval()


def make_dataset(
    schema: dict[str, Any], sources: Sequence[str] = SOURCES, targets: Sequence[str] = TARGETS
) -> PairDataset:
    """Return the pairs as token ids."""
    source = SubwordTokenizer(schema["source_tokenizer"])
    target = SubwordTokenizer(schema["target_tokenizer"] or schema["source_tokenizer"])
    pairs = TextPairs(list(sources), list(targets), [""] * len(sources))
    return PairDataset(pairs, source.encode(sources), target.encode(targets))
