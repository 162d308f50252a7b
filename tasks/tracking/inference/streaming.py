"""Objects that are followed while the video runs.

Shapes: B objects, H height, W width; the last axis of a box is x, y, width and height, in pixels.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.streaming.state import (
    State,
    backbone_to_batch_first,
    batch_first_to_backbone,
    initial_backbone_state,
)
from gru_suite.model.streaming.stream import Row, Stream
from gru_suite.nn.evaluation import evaluating

from ..network.targets import Target
from ..network.tracker import Tracker
from ..reading.boxes import check_box
from .tracks import Track, Tracks


class TrackingStream(Stream[Tracks]):
    """Streams of frames, an object each; the prediction is where it is now.

    The first chunk of an object is a pair of frames and its box in the first of them.
    """

    def __init__(self, model: Tracker, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            model: a trained model.
            batch_size: number of objects.
        """
        self.model = model
        super().__init__(model.name, batch_size)

    def _new_row(self) -> Row:
        """Return the data of an object before its first frame."""
        return {"size": None, "target": None, "visible": 1.0, "num_frames": 0}

    def _new_state(self, count: int) -> State:
        return initial_backbone_state(self.model.backbone, count)

    @torch.inference_mode()
    def _push(self, chunks: list[Any]) -> Tracks:
        read = [self._read(row, chunk) for row, chunk in zip(self._rows, chunks, strict=True)]
        rows, state = [dict(row) for row in self._rows], dict(self._state)
        with evaluating(self.model):
            # Each object alone, whose boxes are then those of predict to the last digit: what a
            # batch rounds otherwise would grow from frame to frame.
            for index, (row, (frames_THW3, box)) in enumerate(zip(rows, read, strict=True)):
                if box is not None:
                    first, device = frames_THW3[:1], self.model.device
                    start = self.model.start(first.to(device), box[None].to(device))
                    size = tuple(frames_THW3.shape[1:3])
                    row.update(size=size, num_frames=1, target=list(start[:-1]))
                for frame_HW3 in frames_THW3[0 if box is None else 1 :]:
                    state = self._step(row, state, index, frame_HW3)
        self._rows, self._state = rows, state
        items = []
        for number, row in enumerate(rows):
            known = row["target"]
            now_4 = np.full(4, np.nan, np.float32)
            if known is not None:
                now_4 = known[1][0].cpu().numpy()
            items.append(
                Track(f"object {number}", now_4[None], np.array([row["visible"]], np.float32))
            )
        self._prediction = Tracks(items)
        return self._prediction

    def _step(self, row: Row, state: State, index: int, now_HW3: Tensor) -> State:
        device = self.model.device
        place = torch.tensor([index], device=device)
        part = {name: each[place] for name, each in state.items()}
        keys, box_B4, speed_B2, lost_B = row["target"]
        target = Target(keys, box_B4, speed_B2, lost_B, batch_first_to_backbone(part))
        found_B5, _, _, target = self.model.step(now_HW3[None].to(device), target)
        assert target.state is not None
        part = backbone_to_batch_first(target.state)
        row.update(
            target=list(target[:-1]),
            visible=float(found_B5[0, 4].sigmoid()),
            num_frames=row["num_frames"] + 1,
        )
        return {k: v.index_copy(0, place, part[k]) for k, v in state.items()}

    def _read(self, row: Row, chunk: Any) -> tuple[Tensor, Tensor | None]:
        """Return the frames of a chunk, (T, H, W, 3), and the box of a first one."""
        if chunk is None:
            return torch.empty(0, 1, 1, 3, dtype=torch.uint8), None
        frames, box = chunk if isinstance(chunk, tuple) and len(chunk) == 2 else (chunk, None)
        frames_THW3 = as_frames(frames)
        size = tuple(frames_THW3.shape[1:3])
        if row["size"] is not None or not len(frames_THW3):
            if row["size"] is not None and len(frames_THW3) and row["size"] != size:
                raise UserError(f"frames of {size}: those before had {row['size']}")
            return frames_THW3, None
        if box is None:
            raise UserError("the first frame of an object needs its box: push((frames, box))")
        try:
            checked = check_box(box, *frames_THW3.shape[1:3])
        except ValueError as error:
            raise UserError(str(error)) from None
        return frames_THW3, torch.from_numpy(checked)


def as_frames(raw: Any) -> Tensor:
    """Return a frame, (H, W, 3), or frames, (T, H, W, 3), of uint8 as frames.

    Raises:
        UserError: something else.
    """
    given: Tensor = raw if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))
    if given.dim() == 3:
        given = given[None]
    if given.dim() != 4 or given.size(3) != 3 or given.dtype != torch.uint8:
        raise UserError(
            f"frames of shape {tuple(given.shape)} and type {given.dtype}: needs (time, height, "
            "width, 3) of uint8"
        )
    return given.cpu()


Frames = NDArray[np.uint8]
