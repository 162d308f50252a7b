"""The network: log-probabilities of tokens at each time step.

Shapes: B batch, S samples (right-padded), T time steps, F features, V tokens.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gru_suite.audio.conv_front_end import OUTPUT_SIZE
from gru_suite.audio.model_parts import audio_layers
from gru_suite.model.classification import check_causal
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.options import check_count, check_number, check_share

from ..batches.ctc_tokens import CtcTokens


class Transcriber(SequenceModel):
    """Spectral features -> convolutions -> backbone -> tokens.

    Token 0 is the blank of connectionist temporal classification.
    """

    name: ClassVar[str] = "transcription"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        features: dict[str, Any] | None = None,
        front_end: dict[str, Any] | None = None,
        spec_augment: dict[str, Any] | None = None,
        causal: bool = False,
        head_dropout: float = 0.2,
        beam_size: int = 1,
        language_model_weight: float = 0.5,
        token_bonus: float = 0.5,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: description of the training data: tokenizer, sample rate, language model.
            features: options of :class:`SpectralFeatures`.
            front_end: options of :class:`ConvFrontEnd`.
            spec_augment: options of :class:`SpecAugment`, for training.
            causal: no output depends on later input, as streaming needs; the backbone must have
                one direction.
            head_dropout: share of the backbone's outputs dropped in training.
            beam_size: transcripts kept by the search; 1 takes the most probable path.
            language_model_weight: of the n-gram model of the training transcripts
                (``data.language_model``), in a search.
            token_bonus: added for each token in a search.

        Raises:
            UserError: an option is out of its range.
        """
        check_causal(causal, backbone)
        check_share("task.head_dropout", head_dropout)
        check_count("task.beam_size", beam_size, 1)
        check_number("task.language_model_weight", language_model_weight, 0, 100)
        check_number("task.token_bonus", token_bonus, -100, 100)
        input_size = int((front_end or {}).get("output_size", OUTPUT_SIZE))
        super().__init__(backbone, input_size, schema)
        self.causal = causal
        self.sample_rate_hz = int(schema["sample_rate_hz"])
        self.tokens = CtcTokens(schema["tokenizer"])
        self.beam_size, self.token_bonus = beam_size, float(token_bonus)
        self.language_model_weight = float(language_model_weight)
        self.features, self.encoder = audio_layers(
            features, front_end, spec_augment, self.sample_rate_hz, causal
        )
        self.dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(self.backbone.output_size, self.tokens.size)

    @property
    def step_samples(self) -> int:
        """Samples of a time step."""
        return int(self.features.hop_samples * self.encoder.total_stride)

    def forward(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return log-probabilities, shape (B, T, V), and the valid steps of each, shape (B,)."""
        return self.log_probabilities(batch.x, batch.lengths_B)

    def log_probabilities(self, x_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities, shape (B, T, V), and the valid steps of each, shape (B,).

        Args:
            x_BS: samples, full scale 1.0.
            lengths_B: valid samples of each.
        """
        x_BTF, steps_B = self.encoder(*self.features(x_BS, lengths_B))
        h_BTH, _ = self.backbone(x_BTF, steps_B)
        logits_BTV: Tensor = self.head(self.dropout(h_BTH))
        # Half precision has too little range for sums over paths.
        return torch.log_softmax(logits_BTV.float(), -1), steps_B
