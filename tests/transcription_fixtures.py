"""Small transcription models and corpora."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from gru_suite.tasks.transcription.model import TranscriptionModel
from gru_suite.text.subwords import train_subwords

RATE_HZ = 8000
TEXTS = ["turn on the light", "turn off the radio", "call anna"]


def transcript_schema(kind: str = "char", **changes: Any) -> dict[str, Any]:
    """Return the schema of some transcripts."""
    schema = {
        "tokenizer": train_subwords(TEXTS, kind, 60, 1),
        "token_kind": kind,
        "normalize": True,
        "language_model": None,
        "sample_rate_hz": RATE_HZ,
    }
    return {**schema, **changes}


def transcription_model(causal: bool = False, **options: Any) -> TranscriptionModel:
    """Return an untrained model; its head is scaled so that it emits tokens."""
    torch.manual_seed(1)
    model = TranscriptionModel(
        backbone={
            "cell": "gru",
            "hidden_size": 12,
            "bidirectional": not causal,
            **options.pop("backbone", {}),
        },
        schema=options.pop("schema", transcript_schema()),
        front_end={
            "channels": [4, 6],
            "time_strides": [2, 2],
            "output_size": 16,
            **options.pop("front_end", {}),
        },
        causal=causal,
        **options,
    )
    with torch.no_grad():
        model.head.weight *= 30
    return model.eval()


def write_sound(path: Path, seconds: float = 0.4, seed: int = 0) -> Path:
    """Write noise as a sound file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    soundfile.write(path, samples.astype(np.float32), RATE_HZ)
    return path
