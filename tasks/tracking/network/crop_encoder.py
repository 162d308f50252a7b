"""Convolutional encoder of the searched area, compared with the object in the first frame.

Shapes: N crops, S side of a crop, F features, K keys, D features of a key, P places.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.errors import UserError

# Convolutions before the comparison, and the outputs of it and of each later convolution but the
# last.
_SHARED = 2
_KEY_SIZE, _COMPARED, _SKIPPED = 32, (12, 32), 24
# Of the cosines that are compared, at first.
_SCALE = 4.0
MOTION_SIZE = 4
"""Numbers on the motion of an object."""


class CropEncoder(nn.Module):
    """Features of a crop, among them where it resembles the object in the first frame.

    Outputs of several convolutions are joined, so that the recurrence sees edges as well as parts,
    as in Re3 (Gordon et al. 2018, arXiv 1705.06368). The object is compared place by place, as in
    trackers with two equal networks (Bertinetto et al. 2016, arXiv 1606.09549).
    """

    places_P2: Tensor

    def __init__(self, side: int, channels: Sequence[int], output_size: int) -> None:
        """Build the layers.

        Args:
            side: S.
            channels: of each convolution, which halves the side.
            output_size: F.

        Raises:
            UserError: too few convolutions, or too many for the side.
        """
        super().__init__()
        if len(channels) <= _SHARED or side < 2 ** len(channels):
            raise UserError(
                f"task.channels={list(channels)}: needs {_SHARED + 1} or more, at most as often as "
                f"task.crop_size={side} can be halved"
            )
        sizes = [3, *channels]
        self.convs = nn.ModuleList(
            _halving(before, after) for before, after in zip(sizes, channels, strict=False)
        )
        self.key = nn.Conv2d(channels[_SHARED - 1], _KEY_SIZE, 1)
        self.scale = nn.Parameter(torch.tensor(_SCALE))
        places = -(-side // 2**_SHARED)
        self.inner = slice(places // 4, places // 4 + places // 2)
        few, more = _COMPARED
        self.compare = nn.Sequential(
            nn.Conv2d((places // 2) ** 2, few, 5, padding=2, bias=False),
            nn.BatchNorm2d(few),
            nn.ReLU(),
        )
        self.compared = _halving(few, more)
        self.score = nn.Conv2d(few + channels[_SHARED - 1], 1, 3, padding=1)
        self.register_buffer("places_P2", _places(places), persistent=False)
        self.skips = nn.ModuleList(nn.Conv2d(size, _SKIPPED, 1) for size in channels[_SHARED:-1])
        with torch.no_grad():
            crop_13SS = torch.zeros(1, 3, side, side)
            features, _ = self._features(crop_13SS, self.keys(crop_13SS))
        self.project = nn.Linear(features.size(1) + MOTION_SIZE, output_size)
        # Training is 1.2 times as fast on a CPU in this memory format.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def keys(self, x_N3SS: Tensor) -> Tensor:
        """Return what is compared: the middle of a crop whose sides are twice those of the object.

        Returns:
            Unit vectors, shape (N, D, K).
        """
        key_NDPP = self.key(self._shared(x_N3SS))[:, :, self.inner, self.inner]
        return F.normalize(key_NDPP.flatten(2), dim=1)

    def _shared(self, x_N3SS: Tensor) -> Tensor:
        for conv in self.convs[:_SHARED]:
            x_N3SS = conv(x_N3SS)
        return x_N3SS

    def _features(self, x_N3SS: Tensor, keys_NDK: Tensor) -> tuple[Tensor, Tensor]:
        x_NCPP = self._shared(x_N3SS)
        places_NDP = F.normalize(self.key(x_NCPP).flatten(2), dim=1)
        cosine_NKP = torch.bmm(keys_NDK.transpose(1, 2), places_NDP) * self.scale
        compared = self.compare(cosine_NKP.unflatten(2, x_NCPP.shape[2:]))
        scores_NP = self.score(torch.cat([compared, x_NCPP], 1)).flatten(1)
        shares_NP = scores_NP.softmax(1)
        parts = [
            self.compared(compared).flatten(1),
            4 * torch.cat([shares_NP @ self.places_P2, shares_NP.amax(1, keepdim=True)], 1),
        ]
        rest = self.convs[_SHARED:]
        for index, conv in enumerate(rest):
            x_NCPP = conv(x_NCPP)
            last = index == len(rest) - 1
            kept = x_NCPP if last else F.relu(self.skips[index](x_NCPP))
            parts.append(kept.flatten(1))
        return torch.cat(parts, 1), scores_NP

    def forward(self, x_N3SS: Tensor, keys_NDK: Tensor, motion_N4: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, shape (N, F), and logits of the object's place, shape (N, P).

        Args:
            x_N3SS: crops, about -1 to 1.
            keys_NDK: of the object, see :meth:`keys`.
            motion_N4: of the object.
        """
        features, scores_NP = self._features(x_N3SS, keys_NDK)
        found: Tensor = F.relu(self.project(torch.cat([features, motion_N4], 1)))
        return found, scores_NP


def _halving(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def _places(count: int) -> Tensor:
    """Return the places of a square map, x and y in sides of it from its middle, (P, 2)."""
    at = (torch.arange(count) + 0.5) / count - 0.5
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)
