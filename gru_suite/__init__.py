"""GRU Suite: one recurrent backbone for forecasting, text, speech and video.

``gru_suite.load("best.ckpt").predict(raw_input)`` uses a checkpoint in any program. docs/api.md
lists the public names.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gru_suite.data.data_module import SequenceDataModule
    from gru_suite.errors import UserError
    from gru_suite.model.batches import SequenceBatch, SequenceDataset, bucket_loader
    from gru_suite.model.checkpoint import load, load_backbone
    from gru_suite.model.classification import ClassificationModel
    from gru_suite.model.predictions import Prediction, Predictions
    from gru_suite.model.sequence_model import SequenceModel
    from gru_suite.model.streaming.stream import StepwiseEncoder, Stream, StreamEncoder
    from gru_suite.nn.backbone import RecurrentBackbone
    from gru_suite.nn.pooling import Pooling
    from gru_suite.nn.weights import save_backbone
    from gru_suite.training.checkpoint import load_task
    from gru_suite.training.classification_task import ClassificationTask
    from gru_suite.training.sequence_task import SequenceTask

    __version__: str

# Imported on demand: torch takes seconds, Lightning more, and most uses need neither or one.
_MODULES = {
    "load": "model.checkpoint",
    "load_backbone": "model.checkpoint",
    "save_backbone": "nn.weights",
    "load_task": "training.checkpoint",
    "RecurrentBackbone": "nn.backbone",
    "Pooling": "nn.pooling",
    "SequenceModel": "model.sequence_model",
    "ClassificationModel": "model.classification",
    "Prediction": "model.predictions",
    "Predictions": "model.predictions",
    "Stream": "model.streaming.stream",
    "StreamEncoder": "model.streaming.stream",
    "StepwiseEncoder": "model.streaming.stream",
    "SequenceBatch": "model.batches",
    "SequenceDataset": "model.batches",
    "bucket_loader": "model.batches",
    "SequenceDataModule": "data.data_module",
    "SequenceTask": "training.sequence_task",
    "ClassificationTask": "training.classification_task",
    "UserError": "errors",
}

__all__ = [
    "ClassificationModel",
    "ClassificationTask",
    "Pooling",
    "Prediction",
    "Predictions",
    "RecurrentBackbone",
    "SequenceBatch",
    "SequenceDataModule",
    "SequenceDataset",
    "SequenceModel",
    "SequenceTask",
    "StepwiseEncoder",
    "Stream",
    "StreamEncoder",
    "UserError",
    "__version__",
    "bucket_loader",
    "load",
    "load_backbone",
    "load_task",
    "save_backbone",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"gru_suite.{_MODULES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("gru-suite")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
