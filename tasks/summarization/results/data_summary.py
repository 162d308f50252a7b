"""Summary of a data set of documents."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gru_suite.data.splits import PARTS
from gru_suite.text.tokenizer import unknown_rate

from ..batches.encoding import DocumentDataset
from ..reading.documents import Parts
from ..reading.splits import count_overlap


def summarize(
    name: str, schema: Mapping[str, Any], parts: Parts, datasets: Mapping[str, DocumentDataset]
) -> list[str]:
    """Return lines on sizes, summaries, vocabulary, lengths, and documents left out or repeated."""
    sizes = ", ".join(f"{part} {len(datasets[part]):,}" for part in PARTS)
    lines = [f"{name}: {sizes} documents"]
    train = datasets["train"]
    if len(train):
        lengths_N = np.asarray(train.lengths)
        lines.append(
            f"sentences: {np.median(lengths_N):.0f} in the median training document, "
            f"{lengths_N.max()} at most; summaries have {schema['num_sentences']}"
        )
        lines.append(
            f"tokens: {schema['vocabulary_size']:,} in the vocabulary, "
            f"{unknown_rate(train.sequences):.1%} of the training tokens unknown"
        )
    for part in PARTS:
        items = parts[part].items
        if items and part != "train":
            several = np.mean([max(len(each.references), 1) for each in items])
            single = sum(len(each.sentences) == 1 for each in items)
            lines.append(
                f"{part}: {several:.1f} references a document; {single} documents of one sentence"
            )
        lines.extend(parts[part].notes)
    if schema["labelled"]:
        lines.append("labels are those of the file, not those of the oracle")
    for part in PARTS[1:]:
        if copies := count_overlap(parts[part], parts["train"]):
            lines.append(f"{copies} of the {part} documents are training documents too")
    return lines
