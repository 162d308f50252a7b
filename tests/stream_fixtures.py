"""Small models that can stream, and comparisons of their streams."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from sentiment_fixtures import text_schema

from gru_suite.model.batches import SequenceBatch, collate
from gru_suite.model.classification import ClassificationModel
from gru_suite.model.predictions import Predictions
from gru_suite.tasks.sentiment.model import SentimentModel
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.tasks.speech_commands.model import SpeechCommandsModel
from gru_suite.tasks.video_action.batches.video_dataset import VideoBatch
from gru_suite.tasks.video_action.model import VideoActionModel

SPEECH_SCHEMA: dict[str, Any] = {
    "labels": ["low", "high", "_silence_"],
    "class_counts": [20, 20, 4],
    "sample_rate_hz": 2000,
    "clip_samples": 1000,
    "max_samples": 4000,
}


def with_statistics(model: ClassificationModel, batches: Sequence[Any]) -> Any:
    """Give the batch norms statistics other than those that change nothing."""
    model.train()
    for each in batches:
        model(each)
    # Larger weights, so that an error somewhere shows in the answer.
    with torch.no_grad():
        model.head.weight.mul_(10)
    return model.eval()


def sound(num_samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


def speech_model(
    cell: str = "gru", pooling: str = "last", seed: int = 0, **options: Any
) -> SpeechCommandsModel:
    torch.manual_seed(seed)
    model = SpeechCommandsModel(
        {"cell": cell, "hidden_size": 8, **options.pop("backbone", {})},
        SPEECH_SCHEMA,
        features={"num_mels": 8, "num_coefficients": 6, **options.pop("features", {})},
        front_end={"channels": [2, 3], "output_size": 6, **options.pop("front_end", {})},
        causal=options.pop("causal", True),
        pooling=pooling,
        **options,
    )
    batches = [
        SequenceBatch(
            torch.stack([sound(1000, s), sound(1000, s + 1)]),
            torch.tensor([1000, 800]),
            torch.ones(2),
        )
        for s in range(3)
    ]
    return with_statistics(model, batches)


def pieces(sequence: Any, cuts: Sequence[int]) -> list[Any]:
    """Cut a sequence at places, in any order; some pieces may be empty."""
    places = [0, *sorted(min(cut, len(sequence)) for cut in cuts), len(sequence)]
    return [sequence[a:b] for a, b in pairwise(places)]


def gap(found: Predictions, expected: Predictions) -> float:
    """Return the largest difference of probabilities."""
    return float(abs(found.probability_NK - expected.probability_NK).max())


VIDEO_SCHEMA: dict[str, Any] = {
    "labels": ["still", "right", "left"], "class_counts": [3, 3, 3], "size": [12, 16], "margin": 4,
    "num_frames": 30, "frame_rate_hz": None, "oversample": 3, "test_clips": 2, "feature_size": None,
}  # fmt: skip


def frames(num_frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = num_frames, *VIDEO_SCHEMA["size"], 3
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def video_model(cell: str = "gru", pooling: str = "last", **options: Any) -> VideoActionModel:
    torch.manual_seed(0)
    model = VideoActionModel(
        {"cell": cell, "hidden_size": 8, **options.pop("backbone", {})}, VIDEO_SCHEMA,
        encoder={"channels": [8, 8], **options.pop("encoder", {})}, pooling=pooling, **options,
    )  # fmt: skip
    number_B = torch.zeros(2, dtype=torch.int64)
    clips = [torch.stack([frames(5, seed), frames(5, seed + 9)]) for seed in range(3)]
    return with_statistics(
        model, [VideoBatch(x, torch.tensor([5, 4]), number_B, number_B, number_B) for x in clips]
    )


TEXTS = [
    "good good film",
    "a bad , dull film; it doesn't end.",
    "great<br />never bad",
    "not good at all , not at all",
    "a good one? isn't it",
    "bad bad bad",
]


def sentiment_model(
    cell: str = "gru", pooling: str = "mean+max", tokenizer: str = "word",
    ngrams: list[int] | None = None, backbone: dict[str, Any] | None = None, **options: Any,
) -> SentimentModel:  # fmt: skip
    torch.manual_seed(0)
    schema = text_schema(
        TEXTS, tokenizer, labels=["bad", "good"], class_counts=[3, 3], max_tokens=1000,
        truncation="both", char_ngrams=ngrams,
    )  # fmt: skip
    task = SentimentTask(
        {"cell": cell, "hidden_size": 8, **(backbone or {})}, schema, embedding_size=6,
        pooling=pooling, **{"wide_buckets": 500, **options},
    )  # fmt: skip
    sequences = task.model.tokenizer.encode(TEXTS)
    batch = collate([(each, row % 2) for row, each in enumerate(sequences)])
    task.warm_start([batch], [batch])
    return with_statistics(task.model, [])
