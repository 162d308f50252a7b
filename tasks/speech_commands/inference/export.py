"""Export of the speech commands model.

Shapes: B batch, S samples (right-padded).
"""

import torch
from torch import Tensor

from gru_suite.model.classification import ClassificationModel
from gru_suite.model.export.module import BATCH, ClassificationExport, Port


class SpeechExport(ClassificationExport):
    """Class probabilities as a function of samples and lengths."""

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return noise at the level of speech as example samples."""
        return 0.1 * torch.randn(shape, generator=generator)


def speech_export(model: ClassificationModel, hop_samples: int) -> SpeechExport:
    """Return the model as a function of samples, with a description of its tensors.

    Args:
        model: from samples to logits.
        hop_samples: samples between two frames.
    """
    schema = model.schema
    longest = int(schema["max_samples"])
    samples = Port("samples", "float32", (BATCH, "samples"), "sound, full scale -1.0 to 1.0")
    preprocessing = {
        "inside": "features (log-mel or MFCC) and the convolutional front end",
        "outside": "one channel at `sample_rate_hz`; of a recording longer than `max_samples` the "
        "segment of that length with the highest energy",
        "sample_rate_hz": int(schema["sample_rate_hz"]),
        "max_samples": longest,
        "features": model.options.get("features"),
    }
    steps = (hop_samples // 2, longest // 3 + 1, longest)
    return SpeechExport(model, model.labels, samples, steps, preprocessing)
