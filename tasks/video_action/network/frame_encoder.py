"""Frame encoders: a feature vector for every frame of a clip.

Shapes: B batch, T frames (right-padded), N valid frames of a batch, C channels, H height, W width,
    F features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError, nearest
from gru_suite.options import check_number

from .pretrained import NETWORKS, build_network, load_weights

SMALL_CNN = "small_cnn"
ENCODERS = (SMALL_CNN, *NETWORKS)
NORMS = ("batch", "group")
# Value of ``weights`` in a checkpoint, whose state dict holds the weights.
FROM_CHECKPOINT = "checkpoint"
_GROUPS = 8
# Mean and standard deviation of ImageNet, as in the pre-training of torchvision's networks.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Differences of frames have about a third of the standard deviation of pixels.
_CHANGE_GAIN = 3.0


class SmallCnn(nn.Module):
    """Small convolutional network with global average pooling.

    Each convolution halves height and width. It can be trained from scratch on a hundred clips.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], norm: str) -> None:
        """Build the layers.

        Args:
            in_channels: of the input.
            channels: of each convolution; with group norm multiples of 8.
            norm: ``batch``, or ``group`` (8 groups, independent of other frames).
        """
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([in_channels, *channels], channels, strict=False):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after) if norm == "batch" else nn.GroupNorm(_GROUPS, after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return a feature vector for each frame, shape (N, F)."""
        found_NF: Tensor = self.layers(x_NCHW).mean((2, 3))
        return found_NF


class FrameEncoder(nn.Module):
    """Image network applied to every frame.

    ``small_cnn`` has six input channels: the frame, and its difference from the previous sampled
    frame (zeros for the first), which shows motion without future frames. The networks of
    torchvision take the frame alone, normalised as in their pre-training.

    Attributes:
        output_size: F.
        frozen: the weights are not trained.
        with_difference: the input includes the difference from the previous frame.
    """

    mean_3: Tensor
    std_3: Tensor

    def __init__(
        self,
        name: str = SMALL_CNN,
        weights: str | None = None,
        frozen: bool = False,
        channels: Sequence[int] = (16, 32, 64, 128),
        norm: str = "batch",
        appearance_dropout: float = 0.5,
    ) -> None:
        """Build the network and load its weights.

        Args:
            name: ``small_cnn``, ``resnet18``, ``mobilenet_v3_small`` or ``efficientnet_b0``.
            weights: None for random weights; ``DEFAULT`` for torchvision's pre-trained weights; a
                path for a file with a state dict of the network, with or without its classifier;
                ``checkpoint`` where a checkpoint is loaded afterwards.
            frozen: do not train the network, so that its features are computed once.
            channels: of ``small_cnn``'s convolutions; each halves height and width.
            norm: of ``small_cnn``: ``batch`` or ``group``.
            appearance_dropout: of ``small_cnn``: share of training clips whose frames are zero, so
                that only differences of frames remain and scenes cannot be memorised.

        Raises:
            UserError: an option is out of its set or range, or the weights cannot be loaded.
        """
        super().__init__()
        _check(name, weights, frozen, channels, norm)
        check_number("task.encoder.appearance_dropout", appearance_dropout, 0, 1)
        self.frozen = frozen
        self.with_difference = name == SMALL_CNN
        self.appearance_dropout = appearance_dropout
        if name == SMALL_CNN:
            self.network: nn.Module = SmallCnn(6, [int(c) for c in channels], norm)
            self.output_size = int(channels[-1])
        else:
            self.network, self.output_size = build_network(name)
        if weights not in (None, FROM_CHECKPOINT):
            load_weights(self.network, name, str(weights))
        # Convolutions train faster on a CPU in this memory format.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for key, values in (("mean_3", _MEAN), ("std_3", _STD)):
            self.register_buffer(key, torch.tensor(values), persistent=False)
        if frozen:
            self.requires_grad_(False)

    def train(self, mode: bool = True) -> "FrameEncoder":
        """Set the mode; a frozen network stays in evaluation mode, with its running statistics."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(
        self,
        x_BTHW3: Tensor,
        lengths_B: Tensor | None = None,
        before_BHW3: Tensor | None = None,
    ) -> Tensor:
        """Return the features of every frame, shape (B, T, F), zero at padding.

        Args:
            x_BTHW3: frames, uint8.
            lengths_B: valid frames, 1..T; None where all are valid.
            before_BHW3: previous frames of a stream; None at its start.
        """
        x_BTHWC = self._channels(x_BTHW3, before_BHW3)
        # An exported graph cannot select frames; padding does not affect the output.
        if lengths_B is None or torch.compiler.is_exporting():
            every_NF: Tensor = self.network(x_BTHWC.flatten(0, 1).permute(0, 3, 1, 2))
            return every_NF.view(*x_BTHWC.shape[:2], -1)
        steps_T = torch.arange(x_BTHW3.size(1), device=x_BTHW3.device)
        valid_BT = steps_T < lengths_B.to(steps_T.device).unsqueeze(1)
        whole = bool(valid_BT.all())
        # Without padding, which would take time and bias the statistics of batch norm.
        x_NHWC = x_BTHWC.flatten(0, 1) if whole else x_BTHWC[valid_BT]
        found_NF: Tensor = self.network(x_NHWC.permute(0, 3, 1, 2))
        if whole:
            return found_NF.view(*valid_BT.shape, -1)
        found_BTF = found_NF.new_zeros(*valid_BT.shape, found_NF.size(1))
        found_BTF[valid_BT] = found_NF
        return found_BTF

    def _channels(self, x_BTHW3: Tensor, before_BHW3: Tensor | None) -> Tensor:
        """Return the input channels of the network, shape (B, T, H, W, C)."""
        x_BTHW3 = self._scaled(x_BTHW3)
        if not self.with_difference:
            return x_BTHW3
        if torch.compiler.is_exporting():
            change_BTHW3 = self._change(x_BTHW3, before_BHW3)
            return torch.cat([x_BTHW3, change_BTHW3 * _CHANGE_GAIN], dim=-1)
        change_BTHW3 = torch.empty_like(x_BTHW3)
        torch.sub(x_BTHW3[:, 1:], x_BTHW3[:, :-1], out=change_BTHW3[:, 1:])
        if before_BHW3 is None:
            change_BTHW3[:, 0] = 0
        else:
            change_BTHW3[:, 0] = x_BTHW3[:, 0] - self._scaled(before_BHW3)
        if self.training and self.appearance_dropout:
            shown_B = torch.rand(len(x_BTHW3), device=x_BTHW3.device) >= self.appearance_dropout
            x_BTHW3 *= shown_B[:, None, None, None, None]
        return torch.cat([x_BTHW3, change_BTHW3.mul_(_CHANGE_GAIN)], dim=-1)

    def _change(self, x_BTHW3: Tensor, before_BHW3: Tensor | None) -> Tensor:
        """Return the difference of each frame from the previous one, by out-of-place operations."""
        first_BHW3 = x_BTHW3[:, 0] if before_BHW3 is None else self._scaled(before_BHW3)
        before_BTHW3 = torch.cat([first_BHW3.unsqueeze(1), x_BTHW3[:, :-1]], dim=1)
        change_BTHW3: Tensor = x_BTHW3 - before_BTHW3
        return change_BTHW3

    def _scaled(self, x_BTHW3: Tensor) -> Tensor:
        # In place, to save memory.
        return (
            x_BTHW3.to(self.mean_3.dtype)
            .mul_(1 / (255 * self.std_3))
            .sub_(self.mean_3 / self.std_3)
        )


def _check(
    name: str, weights: str | None, frozen: bool, channels: Sequence[int], norm: str
) -> None:
    if name not in ENCODERS:
        raise UserError(f"task.encoder.name={name}: no such encoder{nearest(str(name), ENCODERS)}")
    if frozen and weights is None:
        raise UserError(
            "task.encoder.frozen=true with task.encoder.weights=null would keep random weights; "
            "set task.encoder.weights=DEFAULT or to a file, or task.encoder.frozen=false"
        )
    if norm not in NORMS:
        raise UserError(f"task.encoder.norm={norm}: choose one of {', '.join(NORMS)}")
    unit = _GROUPS if norm == "group" else 1
    if not channels or any(int(c) < 1 or int(c) % unit for c in channels):
        raise UserError(
            f"task.encoder.channels={list(channels)}: needs at least one number above 0"
            + (f", each a multiple of {unit} with norm=group" if unit > 1 else "")
        )
