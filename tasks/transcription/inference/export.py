"""Export of the transcription model.

Shapes: B batch, S samples (right-padded), T time steps, V tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port, lengths_port

from ..batches.ctc_tokens import BLANK
from ..network.transcriber import Transcriber

_LONGEST_S = 2.0


class TranscriptionExport(ExportModule):
    """Log-probabilities of tokens as a function of samples and lengths."""

    def __init__(self, model: Transcriber) -> None:
        """Describe the model."""
        super().__init__(model)
        samples = Port("samples", "float32", (BATCH, "samples"), "sound, full scale -1.0 to 1.0")
        self.inputs = (samples, lengths_port("samples"))
        size = model.tokens.size
        meaning = f"natural logarithm of the probability of each token; token {BLANK} is the blank"
        self.outputs = (
            Port("log_probability", "float32", (BATCH, "steps", size), meaning),
            Port("num_steps", "int64", (BATCH,), "valid steps of each recording"),
        )
        step = model.step_samples
        longest = round(_LONGEST_S * model.sample_rate_hz)
        self.steps = (step, longest // 3 + 1, longest)
        self.preprocessing = {
            "inside": "features (log-mel or MFCC) and the convolutional front end",
            "outside": "one channel at `sample_rate_hz`; greedy decoding: the most probable token "
            "of each step, repetitions once, without blanks",
            "sample_rate_hz": model.sample_rate_hz,
            "step_seconds": step / model.sample_rate_hz,
            "tokens": model.tokens.tokens(range(size)),
            "features": model.options.get("features"),
        }

    def forward(self, x_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities, shape (B, T, V), zero at padding, and steps, shape (B,)."""
        log_BTV, steps_B = self.model.log_probabilities(x_BS, lengths_B)
        # An exported graph pads every recording.
        log_BTV = log_BTV[:, : torch.sym_max(x_BS.size(1) // self.model.step_samples, 1)]
        valid_BT = torch.arange(log_BTV.size(1), device=x_BS.device) < steps_B.unsqueeze(1)
        return log_BTV * valid_BT.unsqueeze(2), steps_B

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return noise at the level of speech; the first recording fills all samples."""
        lengths_B = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
        lengths_B[0] = num_steps
        return 0.1 * torch.randn(batch_size, num_steps, generator=generator), lengths_B

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Return samples and lengths."""
        return batch.x, batch.lengths_B

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> tuple[Tensor, Tensor]:
        """Return the output of ``forward``."""
        return outputs[0], outputs[1]
