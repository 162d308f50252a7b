"""What a person wants to know of texts before a training."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gru_suite.model.batches import SequenceDataset

from ..batches.tokenizer import unknown_share
from ..reading.layouts import Parts
from ..reading.splits import PARTS, count_overlap


def summary_of(
    name: str, schema: dict[str, Any], parts: Parts, datasets: Mapping[str, SequenceDataset]
) -> list[str]:
    """Say what was read, how it was split, how long texts are, and what was left out."""
    train = datasets["train"]
    sizes = ", ".join(f"{part} {len(datasets[part]):,}" for part in PARTS)
    lines = [f"{name}: {sizes} texts, {len(schema['labels'])} labels ({_listed(schema)})"]
    if len(train):
        lengths_N = np.asarray(train.lengths)
        lines.append(
            f"tokens: {schema['vocabulary_size']:,} in the vocabulary, "
            f"{unknown_share(train.sequences):.1%} of the training tokens unknown; "
            f"{np.median(lengths_N):.0f} in the median text, {lengths_N.max()} at most"
        )
    for part in PARTS:
        lines.extend(parts[part].notes)
    for part in PARTS[1:]:
        if copies := count_overlap(parts[part], parts["train"]):
            lines.append(f"{copies} of the {part} texts are training texts too")
    return lines


def _listed(schema: dict[str, Any], limit: int = 6) -> str:
    labels = schema["labels"]
    return ", ".join(labels[:limit]) + (", ..." if len(labels) > limit else "")
