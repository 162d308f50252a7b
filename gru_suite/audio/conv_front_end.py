"""Convolutional front end between spectral features and backbone.

Shapes: B batch, T frames (right-padded), F features, C channels, H output features.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from gru_suite.errors import UserError
from gru_suite.options import check_number

from .noise import valid_mask
from .spec_augment import SpecAugment

# Frames and bands of a filter.
KERNEL = (5, 3)
_BAND_STRIDE = 2
# Steps of a block's filter.
TIME_KERNEL = 9
OUTPUT_SIZE = 128


class TimeConv2d(nn.Module):
    """Convolution over time and bands with a stride in time, batch norm and activation.

    T frames give ``T // time_stride``. If causal, output ``t`` depends on no input frame after
    ``(t + 1) * time_stride - 1``; otherwise the context is symmetric.
    """

    def __init__(self, in_channels: int, channels: int, time_stride: int, causal: bool) -> None:
        """Build filter, batch norm and activation.

        Args:
            in_channels: of the input.
            channels: of the output.
            time_stride: 1 to ``KERNEL[0]``.
            causal: no output depends on later input.
        """
        super().__init__()
        missing = KERNEL[0] - time_stride
        ahead = 0 if causal else missing // 2
        self.padding = (KERNEL[1] // 2, KERNEL[1] // 2, missing - ahead, ahead)
        stride = time_stride, _BAND_STRIDE
        conv = nn.Conv2d(in_channels, channels, KERNEL, stride=stride, bias=False)
        # Training is 1.4 times as fast on a CPU in this memory format.
        self.conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """Return activations, shape (B, C, T // time_stride, F / 2)."""
        return F.relu(self.norm(self.conv(F.pad(x_BCTF, self.padding))), inplace=True)

    def advance(self, x_BCTF: Tensor, before_BCTF: Tensor) -> tuple[Tensor, Tensor]:
        """Process the next frames of a stream, with the left context ``before``; causal only.

        Returns:
            Activations of the new frames, a multiple of the stride, and the next left context.
        """
        x_BCTF = torch.cat([before_BCTF, x_BCTF], dim=2)
        bands = (0, self.padding[0])
        conv = self.conv
        found_BCTF = F.conv2d(x_BCTF, conv.weight, conv.bias, conv.stride, bands)
        return F.relu(self.norm(found_BCTF), inplace=True), x_BCTF[
            :, :, x_BCTF.size(2) - before_BCTF.size(2) :
        ]


class TimeBlock(nn.Module):
    """Residual block of a depthwise separable convolution over time.

    If causal, no output depends on later steps.
    """

    def __init__(self, size: int, causal: bool, dropout: float) -> None:
        """Build both convolutions.

        Args:
            size: features of input and output.
            causal: no output depends on later input.
            dropout: share of the features dropped in training, before they are added.
        """
        super().__init__()
        ahead = 0 if causal else TIME_KERNEL // 2
        self.padding = (TIME_KERNEL - 1 - ahead, ahead)
        self.over_time = nn.Conv1d(size, size, TIME_KERNEL, groups=size, bias=False)
        self.mix = nn.Linear(size, size, bias=False)
        self.norm = nn.BatchNorm1d(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTH: Tensor) -> Tensor:
        """Return the input plus the output of the convolutions, shape (B, T, H)."""
        filtered_BHT = self.over_time(F.pad(x_BTH.transpose(1, 2), self.padding))
        return self._add(x_BTH, filtered_BHT.transpose(1, 2))

    def advance(self, x_BTH: Tensor, before_BTH: Tensor) -> tuple[Tensor, Tensor]:
        """Process the next steps of a stream, with the left context ``before``; causal only.

        Returns:
            Outputs of the new steps, and the next left context.
        """
        padded_BTH = torch.cat([before_BTH, x_BTH], dim=1)
        # For a few steps ten times as fast as a call of a convolution.
        filtered_BTH = (padded_BTH.unfold(1, TIME_KERNEL, 1) * self.over_time.weight[:, 0]).sum(-1)
        return self._add(x_BTH, filtered_BTH), padded_BTH[:, -before_BTH.size(1) :]

    def _add(self, x_BTH: Tensor, filtered_BTH: Tensor) -> Tensor:
        mixed_BTH = self.mix(filtered_BTH)
        found_BTH = F.relu(self.norm(mixed_BTH.transpose(1, 2)).transpose(1, 2))
        summed_BTH: Tensor = x_BTH + self.dropout(found_BTH)
        return summed_BTH


class ConvFrontEnd(nn.Module):
    """Batch norm of each band, spectrum augmentation, convolutions, and a linear map.

    Padding does not affect valid outputs: it is set to zero before each layer, like the padding of
    the convolutions. In evaluation mode no output depends on the whole clip, so the causal front
    end gives the same outputs for a stream as for a clip.
    """

    def __init__(
        self,
        num_features: int,
        causal: bool,
        augment: SpecAugment,
        channels: Sequence[int] = (32, 64),
        time_strides: Sequence[int] = (1, 2),
        output_size: int = OUTPUT_SIZE,
        blocks: int = 1,
        dropout: float = 0.1,
    ) -> None:
        """Build the layers.

        Args:
            num_features: F of the input.
            causal: no output depends on later input.
            augment: applied to the normalised features.
            channels: of each convolution; each halves the number of bands.
            time_strides: stride in time of each convolution, 1 to 5.
            output_size: H.
            blocks: number of residual blocks over time, 0 or more.
            dropout: share of outputs dropped in training.

        Raises:
            UserError: sizes that do not fit.
        """
        super().__init__()
        _check(channels, time_strides)
        self.causal = causal
        check_number("task.front_end.blocks", blocks, 0, 100)
        check_number("task.front_end.dropout", dropout, 0, 0.99)
        self.time_strides = [int(stride) for stride in time_strides]
        self.total_stride = 1
        for stride in self.time_strides:
            self.total_stride *= stride
        self.norm = nn.BatchNorm1d(num_features)
        self.augment = augment
        sizes = [1, *channels]
        self.convs = nn.ModuleList(
            TimeConv2d(before, after, stride, causal)
            for before, after, stride in zip(sizes, channels, self.time_strides, strict=False)
        )
        self.num_bands = [num_features]
        for _ in channels:
            self.num_bands.append((self.num_bands[-1] - 1) // _BAND_STRIDE + 1)
        self.project = nn.Linear(sizes[-1] * self.num_bands[-1], output_size)
        self.project_norm = nn.BatchNorm1d(output_size)
        self.blocks = nn.ModuleList(TimeBlock(output_size, causal, dropout) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTF: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, shape (B, T', H), and the valid steps of each clip, 1..T'.

        Args:
            x_BTF: features.
            lengths_B: valid frames, 1..T.
        """
        x_BTF = x_BTF.to(self.project.weight.dtype)
        x_BTF = self.norm(x_BTF.transpose(1, 2)).transpose(1, 2)
        x_BTF = _blank(self.augment(x_BTF, lengths_B), lengths_B)
        # A clip has at least one step.
        # An exported graph has dynamic sizes, so it pads every clip, and no memory formats.
        if torch.compiler.is_exporting():
            x_BCTF = F.pad(x_BTF, (0, 0, 0, 2 * self.total_stride - 1)).unsqueeze(1)
        else:
            x_BTF = F.pad(x_BTF, (0, 0, 0, max(0, self.total_stride - x_BTF.size(1))))
            x_BCTF = x_BTF.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        for conv, stride in zip(self.convs, self.time_strides, strict=True):
            lengths_B = (lengths_B // stride).clamp(min=1)
            x_BCTF = conv(x_BCTF)
            x_BCTF = x_BCTF * valid_mask(lengths_B, x_BCTF.size(2))[:, None, :, None]
        x_BTH = self._project(x_BCTF)
        for block in self.blocks:
            x_BTH = block(_blank(x_BTH, lengths_B))
        return self.dropout(x_BTH), lengths_B

    def _project(self, x_BCTF: Tensor) -> Tensor:
        x_BTH = self.project(x_BCTF.permute(0, 2, 3, 1).flatten(2))
        return F.relu(self.project_norm(x_BTH.transpose(1, 2)).transpose(1, 2))

    def folded(self) -> "ConvFrontEnd":
        """Return a copy for evaluation with the batch norms folded into the convolutions.

        A single step takes two thirds of the time.
        """
        copied = copy.deepcopy(self).eval().requires_grad_(False)
        for conv in copied._convs():
            conv.conv = fuse_conv_bn_eval(conv.conv, conv.norm)
            conv.add_module("norm", nn.Identity())
        copied.project = fuse_linear_bn_eval(copied.project, copied.project_norm)
        copied.add_module("project_norm", nn.Identity())
        for block in copied._blocks():
            block.mix = fuse_linear_bn_eval(block.mix, block.norm)
            block.add_module("norm", nn.Identity())
        return copied

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        """Return the left context of each layer before the first frames: zeros."""
        sizes = [1, *(conv.conv.out_channels for conv in self._convs())]
        state = {
            f"conv_{index}": torch.zeros(batch_size, size, KERNEL[0] - stride, bands)
            for index, (size, stride, bands) in enumerate(
                zip(sizes, self.time_strides, self.num_bands, strict=False)
            )
        }
        for index in range(len(self.blocks)):
            size = self.project.out_features
            state[f"block_{index}"] = torch.zeros(batch_size, TIME_KERNEL - 1, size)
        return state

    def advance(self, x_BTF: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Process the next frames of a stream; causal and in evaluation mode only.

        Args:
            x_BTF: features of new frames, a multiple of ``total_stride``.
            state: left context of each layer, of :meth:`initial_state` before the first frames.

        Returns:
            Features, shape (B, T / total_stride, H), and the next state.
        """
        x_BTF = x_BTF.to(self.project.weight.dtype)
        x_BCTF = self.norm(x_BTF.flatten(0, 1)).view_as(x_BTF).unsqueeze(1)
        after = {}
        for index, conv in enumerate(self._convs()):
            name = f"conv_{index}"
            x_BCTF, after[name] = conv.advance(x_BCTF, state[name])
        x_BTH = self._project(x_BCTF)
        for index, block in enumerate(self._blocks()):
            name = f"block_{index}"
            x_BTH, after[name] = block.advance(x_BTH, state[name])
        return x_BTH, after

    def _blocks(self) -> list[TimeBlock]:
        return [cast(TimeBlock, block) for block in self.blocks]

    def _convs(self) -> list[TimeConv2d]:
        return [cast(TimeConv2d, conv) for conv in self.convs]


def _blank(x_BTF: Tensor, lengths_B: Tensor) -> Tensor:
    return x_BTF * valid_mask(lengths_B, x_BTF.size(1)).unsqueeze(2)


def _check(channels: Sequence[int], time_strides: Sequence[int]) -> None:
    if not channels or min(channels) < 1:
        raise UserError(f"task.channels={list(channels)}: needs at least one number above 0")
    fits = len(time_strides) == len(channels) and 1 <= min(time_strides) <= max(time_strides) <= 5
    if not fits:
        raise UserError(
            f"task.time_strides={list(time_strides)}: needs {len(channels)} numbers from 1 to "
            f"{KERNEL[0]}, one for each of task.channels={list(channels)}"
        )
