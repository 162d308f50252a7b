"""Export of the tracking model: one step, from the last box to the next.

Shapes: B objects, H height, W width; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port
from gru_suite.model.streaming.state import (
    backbone_to_batch_first,
    batch_first_to_backbone,
    initial_backbone_state,
)

from ..network.targets import Target
from ..network.tracker import Tracker

_SIDES = (64, 96)


class StepExport(ExportModule):
    """The next boxes as a function of two frames, the last boxes and the state."""

    def __init__(self, model: Tracker) -> None:
        """Describe the model."""
        super().__init__(model)
        state = initial_backbone_state(model.backbone, 1)
        self.names = list(state)
        frame: tuple[int | str, ...] = (BATCH, "height", "width", 3)
        states = [(name, (BATCH, *part.shape[1:])) for name, part in state.items()]
        self.inputs = (
            Port("first", "uint8", frame, "the first frame, RGB"),
            Port("first_box", "float32", (BATCH, 4), "x, y, width and height in pixels"),
            Port("now", "uint8", frame, "the next frame, RGB"),
            Port("last_box", "float32", (BATCH, 4), "the first or the one found last"),
            Port("speed", "float32", (BATCH, 2), "pixels a frame; 0 at first"),
            Port("lost", "float32", (BATCH,), "frames since it was last visible; 0 at first"),
            *(Port(f"state_{n}", "float32", s, "of the recurrence; 0 at first") for n, s in states),
        )
        self.outputs = (
            Port("box", "float32", (BATCH, 4), "x, y, width and height in pixels"),
            Port("visible", "float32", (BATCH,), "probability that the object is to be seen"),
            Port("next_speed", "float32", (BATCH, 2), "for the next step"),
            Port("next_lost", "float32", (BATCH,), "for the next step"),
            *(Port(f"next_{n}", "float32", s, "for the next step") for n, s in states),
        )
        self.steps = (1,)
        self.preprocessing = {
            "inside": "crops around the last box",
            "outside": "RGB frames of one size; a loop over the frames",
        }

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return boxes, visibility and the next state, in the order of ``outputs``."""
        first, first_B4, now, last_B4, speed_B2, lost_B, *state = inputs
        recurrent = batch_first_to_backbone(dict(zip(self.names, state, strict=True)))
        keys = self.model.start(first, first_B4).keys
        found = self.model.step(now, Target(keys, last_B4, speed_B2, lost_B, recurrent))
        after = found.target
        assert after.state is not None
        states = backbone_to_batch_first(after.state)
        visible_B = found.found_B5[:, 4].sigmoid()
        boxes = after.boxes_B4, visible_B, after.speed_B2, after.lost_B
        return *boxes, *(states[name] for name in self.names)

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random frames, boxes inside of them, and states."""
        shape = (2, batch_size, *_SIDES, 3)
        first, now = torch.randint(0, 256, shape, generator=generator).to(torch.uint8)
        place_2B4 = torch.rand(2, batch_size, 4, generator=generator)
        first_B4, box_B4 = torch.cat([10 + 30 * place_2B4[..., :2], 8 + 20 * place_2B4[..., 2:]], 2)
        speed_B2 = torch.randn(batch_size, 2, generator=generator)
        lost_B = torch.randint(0, 3, (batch_size,), generator=generator).float()
        state = initial_backbone_state(self.model.backbone, batch_size).values()
        random = [0.3 * torch.randn(each.shape, generator=generator) for each in state]
        return first, first_B4, now, box_B4, speed_B2, lost_B, *random

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Raise NotImplementedError: a batch has whole videos."""
        raise NotImplementedError("a step has no batches of whole videos")

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Any:
        """Raise NotImplementedError: a batch has whole videos."""
        raise NotImplementedError("a step has no batches of whole videos")
