"""Baselines: the most frequent transcript, and a keyword spotter.

Shapes: S samples.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.progress import track

import gru_suite
from gru_suite.errors import UserError

from .metrics import TranscriptionMetrics


def baseline_scores(
    train: Iterable[Any], scored: Iterable[Any], sample_rate_hz: int, spotter: str | None
) -> dict[str, dict[str, float]]:
    """Return the metrics of the baselines.

    - ``most_frequent``: the most frequent training transcript.
    - ``spotter``: the words that a classifier of single words detects in the recording, by its
      own timeline.

    Args:
        train: batches of training.
        scored: batches of the part to score.
        sample_rate_hz: of the recordings.
        spotter: a checkpoint of task=speech_commands; None for none.

    Raises:
        UserError: the checkpoint is of another task.
    """
    frequent = Counter(text for batch in train for text in batch.texts).most_common(1)[0][0]
    detector = None if spotter is None else _load_spotter(spotter)
    found = {"most_frequent": TranscriptionMetrics()}
    if detector is not None:
        found["spotter"] = TranscriptionMetrics()
    # A spotter takes minutes: it looks at a second of sound every 50 ms.
    for batch in track(
        scored, "words of the spotter", console=Console(stderr=True), disable=detector is None
    ):
        found["most_frequent"].update([frequent] * len(batch.texts), batch.texts)
        if detector is not None:
            lengths = batch.lengths_B.tolist()
            clips = [x[:n].numpy() for x, n in zip(batch.x, lengths, strict=True)]
            words = [detector.timeline((clip_S, sample_rate_hz)).events for clip_S in clips]
            texts = [" ".join(event.label for event in events) for events in words]
            found["spotter"].update(texts, batch.texts)
    return {
        name: {key: float(value) for key, value in metrics.compute().items()}
        for name, metrics in found.items()
    }


def _load_spotter(path: str) -> Any:
    model = gru_suite.load(path)
    if not hasattr(model, "timeline"):
        raise UserError(
            f"data.spotter={path}: a checkpoint of task {model.name}; needs task=speech_commands"
        )
    return model
