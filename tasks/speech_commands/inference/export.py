"""The speech commands task as a function of samples.

Shapes: B batch, S samples (right-padded).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ClassificationExport, Port

if TYPE_CHECKING:
    from ..task import SpeechCommandsTask


class SpeechExport(ClassificationExport):
    """Samples and lengths in, probabilities out."""

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return noise at the level of speech."""
        return 0.1 * torch.randn(shape, generator=generator)


def speech_export(task: "SpeechCommandsTask") -> SpeechExport:
    """Describe the task."""
    rate_hz, longest = task.sample_rate_hz, int(task.schema["max_samples"])
    samples = Port("samples", "float32", (BATCH, "samples"), "sound, full scale -1.0 to 1.0")
    preprocessing = {
        "inside": "features (log-mel or MFCC) and the convolutional front end",
        "outside": "one channel at `sample_rate_hz`; of a recording longer than `max_samples` the "
        "loudest stretch of that length",
        "sample_rate_hz": rate_hz,
        "max_samples": longest,
        "features": task.hparams.get("features"),
    }
    steps = (task.features.hop_samples // 2, longest // 3 + 1, longest)
    return SpeechExport(task, samples, steps, preprocessing)
