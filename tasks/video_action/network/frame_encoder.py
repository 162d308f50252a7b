"""Encoders that turn every frame of a clip into a vector.

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
# The weights are those of a checkpoint, which are put in once the network is built.
FROM_CHECKPOINT = "checkpoint"
_GROUPS = 8
# Of ImageNet, by which the networks of torchvision were pre-trained.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Frames differ from each other by about a third of what pixels do.
_CHANGE_GAIN = 3.0


class SmallCnn(nn.Module):
    """Convolutions that each halve height and width, then the mean over the places that are left.

    Small enough to be trained from scratch on a hundred clips.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], norm: str) -> None:
        """Build the layers.

        Args:
            in_channels: of the input.
            channels: of each convolution; with group norm multiples of 8.
            norm: ``batch``, or ``group`` (8 groups; a frame is normalised by itself).
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
        """Return a vector for each frame, shape (N, F)."""
        found_NF: Tensor = self.layers(x_NCHW).mean((2, 3))
        return found_NF


class FrameEncoder(nn.Module):
    """A network that sees one frame at a time.

    ``small_cnn`` sees six channels: the frame, and how it differs from the sampled frame before it
    (zeros at the first), so that motion is visible without looking ahead. The networks of
    torchvision see the frame alone, normalised as they were pre-trained.

    Attributes:
        output_size: F.
        frozen: whether the weights stay as they are.
        with_difference: whether the frame before is of use.
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
        appearance_dropout: float = 0.2,
    ) -> None:
        """Build the network and load its weights.

        Args:
            name: ``small_cnn``, ``resnet18``, ``mobilenet_v3_small`` or ``efficientnet_b0``.
            weights: None starts at random; ``DEFAULT`` takes torchvision's pre-trained weights; a
                path takes those of a file: a state dict of the network, with or without its
                classifier. ``checkpoint`` leaves them to whoever restores a checkpoint.
            frozen: never train the network, so that its features can be computed once.
            channels: of ``small_cnn``'s convolutions; each halves height and width.
            norm: of ``small_cnn``: ``batch`` or ``group``.
            appearance_dropout: of ``small_cnn``: share of the training clips that show only how
                frames differ, so that the network cannot rely on scenes it knows by heart.

        Raises:
            UserError: an option is out of its set or range, or the weights cannot be had.
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
        # With the channels innermost in memory convolutions train faster on a CPU.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for key, values in (("mean_3", _MEAN), ("std_3", _STD)):
            self.register_buffer(key, torch.tensor(values), persistent=False)
        if frozen:
            self.requires_grad_(False)

    def train(self, mode: bool = True) -> "FrameEncoder":
        """Set the mode; what is frozen stays in evaluation, with the statistics it has."""
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
            lengths_B: valid frames, 1..T; None means that all are.
            before_BHW3: the frames before the first ones, where a stream goes on; None at a start.
        """
        x_BTHWC = self._channels(x_BTHW3, before_BHW3)
        # An exported graph cannot choose frames; what padding holds never changes the answer.
        if lengths_B is None or torch.compiler.is_exporting():
            every_NF: Tensor = self.network(x_BTHWC.flatten(0, 1).permute(0, 3, 1, 2))
            return every_NF.view(*x_BTHWC.shape[:2], -1)
        steps_T = torch.arange(x_BTHW3.size(1), device=x_BTHW3.device)
        valid_BT = steps_T < lengths_B.to(steps_T.device).unsqueeze(1)
        whole = bool(valid_BT.all())
        # Padding is left out: it would cost time, and blur the statistics of batch norm.
        x_NHWC = x_BTHWC.flatten(0, 1) if whole else x_BTHWC[valid_BT]
        found_NF: Tensor = self.network(x_NHWC.permute(0, 3, 1, 2))
        if whole:
            return found_NF.view(*valid_BT.shape, -1)
        found_BTF = found_NF.new_zeros(*valid_BT.shape, found_NF.size(1))
        found_BTF[valid_BT] = found_NF
        return found_BTF

    def _channels(self, x_BTHW3: Tensor, before_BHW3: Tensor | None) -> Tensor:
        """Return what the network sees, shape (B, T, H, W, C)."""
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
        """Return how frames differ from those before them, without writing into memory."""
        first_BHW3 = x_BTHW3[:, 0] if before_BHW3 is None else self._scaled(before_BHW3)
        before_BTHW3 = torch.cat([first_BHW3.unsqueeze(1), x_BTHW3[:, :-1]], dim=1)
        change_BTHW3: Tensor = x_BTHW3 - before_BTHW3
        return change_BTHW3

    def _scaled(self, x_BTHW3: Tensor) -> Tensor:
        # In place: frames are large, and memory is what this costs.
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
