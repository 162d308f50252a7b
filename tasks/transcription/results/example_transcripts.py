"""Transcripts of a part: a table of all, and pictures of some.

Shapes: S samples.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from torch.utils.data import DataLoader

from gru_suite.files import atomic_path

from .transcript_plot import draw_transcript

_DRAWN = 3


def write_examples(model: Any, loader: DataLoader[Any], folder: Path) -> list[Path]:
    """Write ``transcripts.csv`` with reference and hypothesis of each recording, and pictures.

    Args:
        model: a :class:`TranscriptionModel`.
        loader: of the part.
        folder: for the files.
    """
    rows: list[dict[str, Any]] = []
    written: list[Path] = []
    for batch in loader:
        lengths = batch.lengths_B.tolist()
        clips = [x[:n].cpu().numpy() for x, n in zip(batch.x, lengths, strict=True)]
        for clip_S, reference in zip(clips, batch.texts, strict=True):
            if len(written) < _DRAWN:
                picture = folder / f"transcript_{len(written)}.png"
                written.append(draw_transcript(picture, model, clip_S, reference))
        scores = model.frame_scores(clips)
        for clip_S, log_TV, reference in zip(clips, scores, batch.texts, strict=True):
            found = model.decode("", log_TV, len(clip_S))
            rows.append(
                {
                    "reference": reference,
                    "hypothesis": found.text,
                    "confidence": found.confidence,
                    "seconds": found.seconds,
                }
            )
    table = folder / "transcripts.csv"
    with atomic_path(table) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    return [table, *written]
