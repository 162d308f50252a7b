"""Summary of a data set of texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gru_suite.data.splits import PARTS
from gru_suite.model.batches import SequenceDataset
from gru_suite.text.tokenizer import unknown_rate

from ..reading.labelled_texts import Parts
from ..reading.splits import count_overlap


def summarize(
    name: str, schema: dict[str, Any], parts: Parts, datasets: Mapping[str, SequenceDataset]
) -> list[str]:
    """Return lines on sizes, labels, vocabulary, lengths, and texts left out or duplicated."""
    train = datasets["train"]
    sizes = ", ".join(f"{part} {len(datasets[part]):,}" for part in PARTS)
    lines = [f"{name}: {sizes} texts, {len(schema['labels'])} labels ({_join_labels(schema)})"]
    if len(train):
        lengths_N = np.asarray(train.lengths)
        lines.append(
            f"tokens: {schema['vocabulary_size']:,} in the vocabulary, "
            f"{unknown_rate(train.sequences):.1%} of the training tokens unknown; "
            f"{np.median(lengths_N):.0f} in the median text, {lengths_N.max()} at most"
        )
    for part in PARTS:
        lines.extend(parts[part].notes)
    for part in PARTS[1:]:
        if copies := count_overlap(parts[part], parts["train"]):
            lines.append(f"{copies} of the {part} texts are training texts too")
    return lines


def _join_labels(schema: dict[str, Any], limit: int = 6) -> str:
    labels = schema["labels"]
    return ", ".join(labels[:limit]) + (", ..." if len(labels) > limit else "")
