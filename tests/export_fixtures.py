"""Small tasks of every kind, for tests of what they are exported as."""

from collections.abc import Callable
from typing import Any

import torch
from forecasting_fixtures import make_schema, make_task
from sentiment_fixtures import text_schema
from stream_fixtures import speech_model
from torch import Tensor, nn
from translation_fixtures import make_task as translation_task

from gru_suite.model.batches import SequenceBatch
from gru_suite.model.classification import ClassificationModel
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.sentiment.model import SentimentModel
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.tasks.translation.model import TranslationModel
from gru_suite.tasks.video_action.model import VideoActionModel

TEXTS = ["a good film", "a bad film", "not so good", "so bad that it is good again"]


class PlainModel(ClassificationModel):
    """A model of a plug-in that does not describe its export."""

    name = "plain"

    def __init__(self, backbone: dict[str, Any], schema: dict[str, Any]) -> None:
        super().__init__(backbone, 4, schema, pooling="mean+last")
        self.encoder = nn.Linear(3, 4)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return self.encoder(batch.x), batch.lengths_B

    def predict(self, raw: Any) -> Any:
        raise NotImplementedError


def plain_model(backbone: dict[str, Any]) -> PlainModel:
    return PlainModel(backbone, {"labels": ["a", "b"], "class_counts": [1, 2]}).eval()


def plain_batch() -> SequenceBatch:
    return SequenceBatch(torch.randn(4, 9, 3), torch.tensor([9, 2, 5, 1]), torch.zeros(4).long())


def speech(backbone: dict[str, Any]) -> SequenceModel:
    options = {key: backbone[key] for key in backbone if key != "cell"}
    return speech_model(backbone["cell"], "attention", backbone=options, causal=False)


def sentiment(backbone: dict[str, Any], char_ngrams: list[int] | None = None) -> SentimentModel:
    labels = ["bad", "good"]
    schema = text_schema(TEXTS, labels=labels, max_tokens=20, char_ngrams=char_ngrams)
    task = SentimentTask(backbone, schema, embedding_size=6, wide_buckets=50)
    sequences = task.model.tokenizer.encode(TEXTS)
    padded = nn.utils.rnn.pad_sequence(list(sequences), batch_first=True)
    lengths_B = torch.tensor([len(each) for each in sequences])
    task.warm_start([SequenceBatch(padded, lengths_B, torch.tensor([1, 0, 1, 0]))], [])
    return task.model.eval()


def video(backbone: dict[str, Any]) -> VideoActionModel:
    schema = {
        "labels": ["walk", "wave"],
        "class_counts": [2, 2],
        "size": [16, 20],
        "num_frames": 6,
        "margin": 0,
        "oversample": 1,
        "test_clips": 1,
        "frame_rate_hz": None,
    }
    model = VideoActionModel(backbone, schema, encoder={"channels": [4, 8]})
    model.train()
    frames = torch.randint(0, 256, (4, 6, 16, 20, 3)).to(torch.uint8)
    model(SequenceBatch(frames, torch.tensor([6, 2, 3, 6]), torch.zeros(4).long()))
    return model.eval()


def forecasting(backbone: dict[str, Any], **changes: Any) -> ForecastingModel:
    scale = {"mean": [20.0, -3.0], "std": [5.0, 0.5], "naive": [1.0, 1.0]}
    facts = {
        "targets": ["load", "wind"],
        "target_scale": {"a": scale, "b": scale},
        "past_covariates": ["rain"],
        "future_covariates": [],
        "static_covariates": ["site"],
        "categories": {"site": ["x"]},
        "covariate_scale": {"rain": [0.0, 1.0]},
        "missing_flags": [],
        "calendar": ["hour"],
        "frequency": "h",
    }
    options = {"decoder": "direct"} if backbone.get("bidirectional") else {}
    model = make_task(make_schema(**facts, **changes), backbone=backbone, **options).model
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def translation(backbone: dict[str, Any]) -> TranslationModel:
    return translation_task(backbone=backbone, decoder_layers=2).model


MODELS: dict[str, Callable[[dict[str, Any]], SequenceModel]] = {
    "forecasting": forecasting,
    "sentiment": sentiment,
    "speech_commands": speech,
    "translation": translation,
    "video_action": video,
}
