"""Network of the video action model: frames to class probabilities.

Shapes: B batch, T frames (right-padded), H height, W width, F features, K classes.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from gru_suite.model.batches import SequenceBatch
from gru_suite.model.classification import ClassificationModel, check_causal
from gru_suite.nn.evaluation import evaluating
from gru_suite.options import build

from ..batches.augmentation import centre_crop
from .frame_encoder import FROM_CHECKPOINT, FrameEncoder


class VideoClassifier(ClassificationModel):
    """Frame encoder -> backbone -> pooling -> class probabilities of a clip."""

    name: ClassVar[str] = "video_action"
    input_kind: ClassVar[str] = "file"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        encoder: dict[str, Any] | None = None,
        causal: bool = False,
        pooling: str = "attention",
        head_dropout: float = 0.3,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: description of the training data: labels, size and number of the frames.
            encoder: options of :class:`FrameEncoder`.
            causal: no output depends on later input, as streaming needs; the backbone must have
                one direction.
            pooling: as of every :class:`ClassificationModel`.
            head_dropout: share of pooled features dropped in training, 0 to below 1.

        Raises:
            UserError: an option is out of its range.
        """
        check_causal(causal, backbone)
        frame_encoder = build(FrameEncoder, "task.encoder", encoder)
        super().__init__(backbone, frame_encoder.output_size, schema, pooling, head_dropout)
        if encoder and encoder.get("weights"):
            # The checkpoint holds the weights, so that loading does not download them again.
            self.options["encoder"] = {**encoder, "weights": FROM_CHECKPOINT}
        self.encoder = frame_encoder

    def encode(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the features of every frame, (B, T, F), and the valid frames of each clip."""
        if batch.x.dim() == 3:
            # Features of a frozen encoder, computed once by the data module.
            return batch.x, batch.lengths_B
        x_BTHW3 = centre_crop(batch.x, self.schema["size"])
        return self.encoder(x_BTHW3, batch.lengths_B), batch.lengths_B

    @torch.inference_mode()
    def frame_features(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the features of every frame and the lengths, on the CPU, in evaluation mode."""
        with evaluating(self):
            z_BTF, lengths_B = self.encode(
                SequenceBatch(*(part.to(self.device) for part in batch[:3]))
            )
        return z_BTF.cpu(), lengths_B.cpu()
