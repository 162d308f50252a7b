"""Batches of videos with the box of an object in each frame.

Shapes: B batch, T frames (right-padded), H height, W width; the last axis of a box is x, y, width
and height, in pixels.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.data.batch_dataset import BatchDataset


class TrackBatch(NamedTuple):
    """Videos with boxes.

    Attributes:
        frames: uint8, shape (B, T, H, W, 3); smaller videos are padded on the right and below.
        lengths_B: valid frames of each, int64.
        boxes_BT4: box of the object in each frame, float32; NaN where it is unknown.
        visible_BT: whether the object is to be seen, bool.
    """

    frames: Tensor
    lengths_B: Tensor
    boxes_BT4: Tensor
    visible_BT: Tensor


class Item(NamedTuple):
    """An object of a decoded video.

    Attributes:
        name: of video and object.
        frames: gives its frames from a first to a last one, uint8, (T, H, W, 3).
        boxes_T4: in pixels of these frames.
        visible_T: whether it is to be seen.
    """

    name: str
    frames: Callable[[int, int], NDArray[np.uint8]]
    boxes_T4: NDArray[np.float32]
    visible_T: NDArray[np.bool_]


class TrackDataset(BatchDataset[TrackBatch]):
    """The objects of one part; in training a random stretch of each."""

    def __init__(self, items: Sequence[Item], num_frames: int | None, seed: int) -> None:
        """Store the objects.

        Args:
            items: the objects.
            num_frames: of a stretch, in training; None takes tracks whole.
            seed: of the stretches, which change with the epoch.
        """
        self.items, self.num_frames, self.seed = list(items), num_frames, seed
        self.names = [each.name for each in items]
        self.lengths = [len(each.boxes_T4) for each in items]
        if num_frames is not None:
            self.lengths = [min(length, num_frames) for length in self.lengths]
        self.labels = []

    def __getitems__(self, indices: Sequence[int]) -> TrackBatch:
        """Return a batch of objects."""
        return make_batch([self._stretch(index) for index in indices])

    def _stretch(
        self, index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
        item = self.items[index]
        first, last = 0, len(item.boxes_T4)
        if self.num_frames is not None and last > self.num_frames:
            random = np.random.default_rng([self.seed, self.epoch, index])
            starts = np.flatnonzero(item.visible_T[: last - self.num_frames + 1])
            first = int(random.choice(starts)) if len(starts) else 0
            last = first + self.num_frames
        frames = item.frames(first, last)
        return frames, item.boxes_T4[first:last], item.visible_T[first:last]


def make_batch(
    items: Sequence[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]],
) -> TrackBatch:
    """Return frames, boxes and visibility as a padded batch."""
    lengths = [len(boxes) for _, boxes, _ in items]
    height = max(frames.shape[1] for frames, _, _ in items)
    width = max(frames.shape[2] for frames, _, _ in items)
    shape = (len(items), max(lengths))
    frames_BTHW3 = torch.zeros(*shape, height, width, 3, dtype=torch.uint8)
    boxes_BT4 = torch.full((*shape, 4), torch.nan)
    visible_BT = torch.zeros(shape, dtype=torch.bool)
    for row, (frames, boxes, visible) in enumerate(items):
        num, high, wide = frames.shape[:3]
        frames_BTHW3[row, :num, :high, :wide] = torch.from_numpy(np.ascontiguousarray(frames))
        boxes_BT4[row, :num] = torch.from_numpy(np.ascontiguousarray(boxes))
        visible_BT[row, :num] = torch.from_numpy(np.ascontiguousarray(visible))
    return TrackBatch(frames_BTHW3, torch.tensor(lengths), boxes_BT4, visible_BT)
