"""The network: boxes of an object in each frame of a video.

Shapes: B batch, T frames (right-padded), H height, W width, F features; the last axis of a box is
x, y, width and height, in pixels.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gru_suite.model.sequence_model import SequenceModel
from gru_suite.options import check_count, check_number, check_share

from ..batches.crops import centre, crop, crop_boxes, from_relative, moved, to_relative
from ..batches.track_dataset import TrackBatch
from .crop_encoder import CropEncoder
from .targets import Searched, Step, Target, TrackOutput, filled, motion, next_speed

_VISIBLE_LOGIT = 0.0
# The object in the first frame fills the middle half of its crop.
_FIRST_CONTEXT = 2.0
# Of the areas in training: how much of a random shift stays from one frame to the next.
_JITTER_STAYS = 0.8


class Tracker(SequenceModel):
    """Crops around the last box -> convolutions -> backbone -> next box and visibility.

    The searched area is that around the last box, moved on by its mean speed, and grows while the
    object is not visible. A model in evaluation mode follows its own boxes. In training each step
    sees the area around the true box, moved at random, or, for a share of the videos, around the
    model's own box of before, as long as the object is in it: those are found first, without
    gradients, and the recurrence then runs over all steps at once.
    """

    name: ClassVar[str] = "tracking"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        crop_size: int = 48,
        channels: Sequence[int] = (16, 32, 48, 64),
        feature_size: int = 192,
        context: float = 2.0,
        max_context: float = 4.0,
        context_growth: float = 0.1,
        own_share: float = 0.8,
        jitter: float = 0.12,
        dropout: float = 0.1,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack, of one direction.
            schema: description of the training data.
            crop_size: pixels of the side of a crop.
            channels: of the convolutions, 3 or more.
            feature_size: of a crop.
            context: sides of the area that is searched, in sides of the last box.
            max_context: of the area, while the object is not visible.
            context_growth: how much the area grows with each such frame.
            own_share: share of the training videos whose areas are those of the model's own boxes.
            jitter: of the areas of the others: standard deviation of their shift, in sides of the
                box, and .6 of that of the logarithm of their size.
            dropout: share of the backbone's outputs dropped in training.

        Raises:
            UserError: an option is out of its range.
        """
        check_count("task.crop_size", crop_size, 8)
        check_number("task.context", context, 1, 10)
        check_number("task.max_context", max_context, context, 20)
        check_number("task.context_growth", context_growth, 0, 10)
        check_number("task.jitter", jitter, 0, 1)
        check_share("task.own_share", own_share)
        check_share("task.dropout", dropout)
        super().__init__({**backbone, "bidirectional": False}, feature_size, schema)
        self.crop_size, self.context, self.max_context = crop_size, context, max_context
        self.context_growth, self.own_share, self.jitter = context_growth, own_share, jitter
        self.encoder = CropEncoder(crop_size, channels, feature_size)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.backbone.output_size + feature_size, 5)

    def forward(self, batch: TrackBatch) -> TrackOutput:
        """Return what is found in the frames after the first one."""
        if not self.training:
            return self._follow(batch)
        searched = self._guided(batch)
        own_B = torch.rand(len(batch.frames), device=batch.frames.device) < self.own_share
        if bool(own_B.any()):
            rows = own_B.nonzero().squeeze(1)
            part = TrackBatch(*(each[rows] for each in batch))
            searched = Searched(
                *(
                    each.index_copy(0, rows, found)
                    for each, found in zip(
                        searched,
                        self._own(part, Searched(*(each[rows] for each in searched))),
                        strict=True,
                    )
                )
            )
        return self._all_steps(batch, searched)

    def start(self, first_BHW3: Tensor, box_B4: Tensor) -> Target:
        """Return what is known of objects in their first frame.

        Args:
            first_BHW3: the first frames, uint8.
            box_B4: boxes in them.
        """
        zeros_B = torch.zeros_like(box_B4[:, 0])
        area_B4 = crop_boxes(box_B4, zeros_B + _FIRST_CONTEXT)
        keys = self.encoder.keys(crop(first_BHW3, area_B4, self.crop_size))
        return Target(keys, box_B4, torch.zeros_like(box_B4[:, :2]), zeros_B, None)

    def step(self, now_BHW3: Tensor, target: Target) -> Step:
        """Find objects in the next frame.

        Args:
            now_BHW3: the next frames, uint8.
            target: what is known of the objects.
        """
        last_B4, speed_B2, lost_B = target.boxes_B4, target.speed_B2, target.lost_B
        area_B4 = self._area(last_B4, speed_B2, lost_B)
        now = crop(now_BHW3, area_B4, self.crop_size)
        motion_B4 = motion(last_B4, speed_B2, lost_B)
        x_BF, scores_BP = self.encoder(now, target.keys, motion_B4)
        h_BH, state = self.backbone.step(x_BF, target.state)
        found_B5 = self.head(torch.cat([h_BH, x_BF], 1)).float()
        boxes_B4 = from_relative(found_B5[:, :4], area_B4)
        # A centre stays inside of the image, so that the object can come back.
        ones_B = torch.ones_like(boxes_B4[:, 0])
        limit_B2 = torch.stack([ones_B * now_BHW3.size(2), ones_B * now_BHW3.size(1)], 1)
        centre_B2 = centre(boxes_B4).clamp(min=0).minimum(limit_B2)
        size_B2 = boxes_B4[:, 2:].minimum(2 * limit_B2).clamp(min=2)
        boxes_B4 = torch.cat([centre_B2 - size_B2 / 2, size_B2], 1)
        seen_B = found_B5[:, 4] >= _VISIBLE_LOGIT
        speed_B2 = next_speed(speed_B2, last_B4, boxes_B4, seen_B)
        target = Target(target.keys, boxes_B4, speed_B2, (lost_B + 1) * ~seen_B, state)
        return Step(found_B5, scores_BP, area_B4, target)

    def _area(self, last_B4: Tensor, speed_B2: Tensor, lost_B: Tensor) -> Tensor:
        """Return the area that is searched."""
        context_B = (self.context + self.context_growth * lost_B).clamp(max=self.max_context)
        return crop_boxes(moved(last_B4, speed_B2), context_B)

    def _all_steps(self, batch: TrackBatch, searched: Searched) -> TrackOutput:
        """Return what is found in given areas, in one call of the recurrence."""
        num_rows, num_steps = searched.lost_BT.shape
        last_N4, speed_N2, lost_N = (each.flatten(0, 1) for each in searched)
        area_N4 = self._area(last_N4, speed_N2, lost_N)
        now = crop(batch.frames[:, 1:].flatten(0, 1), area_N4, self.crop_size)
        keys = self.start(batch.frames[:, 0], batch.boxes_BT4[:, 0]).keys
        keys = keys.repeat_interleave(num_steps, 0)
        x_NF, scores_NP = self.encoder(now, keys, motion(last_N4, speed_N2, lost_N))
        x_BTF = x_NF.unflatten(0, (num_rows, num_steps))
        h_BTH, _ = self.backbone(x_BTF, (batch.lengths_B - 1).clamp(min=1))
        found_BT5 = self.head(self.dropout(torch.cat([h_BTH, x_BTF], -1))).float()
        area_BT4 = area_N4.unflatten(0, (num_rows, num_steps))
        return TrackOutput(
            found_BT5,
            from_relative(found_BT5[..., :4], area_BT4),
            to_relative(batch.boxes_BT4[:, 1:], area_BT4),
            scores_NP.unflatten(0, (num_rows, num_steps)),
        )

    def _guided(self, batch: TrackBatch) -> Searched:
        """Return the true boxes of before, moved at random, and how they moved."""
        true_BT4 = filled(batch.boxes_BT4[:, :-1])
        visible_BT = batch.visible_BT[:, :-1]
        noise = list((torch.randn_like(true_BT4) * self.jitter).unbind(1))
        # The first box is given.
        noise[0] = torch.zeros_like(noise[0])
        speed, lost = [torch.zeros_like(true_BT4[:, 0, :2])], [torch.zeros_like(true_BT4[:, 0, 0])]
        for step in range(1, len(noise)):
            fresh = (1 - _JITTER_STAYS**2) ** 0.5
            noise[step] = _JITTER_STAYS * noise[step - 1] + fresh * noise[step]
            seen_B = visible_BT[:, step]
            before, now = true_BT4[:, step - 1], true_BT4[:, step]
            speed.append(next_speed(speed[-1], before, now, seen_B))
            lost.append((lost[-1] + 1) * ~seen_B)
        noise_BT4 = torch.stack(noise, 1)
        size_BT2 = true_BT4[..., 2:] * (0.6 * noise_BT4[..., 2:]).exp()
        centre_BT2 = centre(true_BT4) + noise_BT4[..., :2] * true_BT4[..., 2:]
        last_BT4 = torch.cat([centre_BT2 - size_BT2 / 2, size_BT2], -1)
        return Searched(last_BT4, torch.stack(speed, 1), torch.stack(lost, 1))

    @torch.no_grad()
    def _own(self, batch: TrackBatch, guided: Searched) -> Searched:
        """Return the same of the model's own boxes, where the object is in their area."""
        self.eval()
        first = self.start(batch.frames[:, 0], batch.boxes_BT4[:, 0])
        targets = [each.target for each in self._steps(batch.frames[:, :-1], first)]
        self.train()
        own = [
            torch.stack([getattr(each, name) for each in (first, *targets)], 1)
            for name in ("boxes_B4", "speed_B2", "lost_B")
        ]
        area_N4 = self._area(*(each.flatten(0, 1) for each in own))
        shift_N2 = to_relative(batch.boxes_BT4[:, 1:].flatten(0, 1), area_N4)[:, :2]
        # Unknown boxes count as being in it.
        inside_BT = ~(shift_N2.abs() > 0.5).any(1).view_as(own[2])
        return Searched(
            *(
                torch.where(inside_BT.view(*inside_BT.shape, *[1] * (each.dim() - 2)), each, given)
                for each, given in zip(own, guided, strict=True)
            )
        )

    def _steps(self, frames_BTHW3: Tensor, target: Target) -> list[Step]:
        """Return what the model finds in each frame after the first, following its own boxes."""
        steps: list[Step] = []
        for number in range(1, frames_BTHW3.size(1)):
            steps.append(self.step(frames_BTHW3[:, number], target))
            target = steps[-1].target
        return steps

    def _follow(self, batch: TrackBatch) -> TrackOutput:
        """Return what the model finds on its own."""
        first = self.start(batch.frames[:, 0], batch.boxes_BT4[:, 0])
        steps = self._steps(batch.frames, first)
        area_BT4 = torch.stack([each.area_B4 for each in steps], 1)
        return TrackOutput(
            torch.stack([each.found_B5 for each in steps], 1),
            torch.stack([each.target.boxes_B4 for each in steps], 1),
            to_relative(batch.boxes_BT4[:, 1:], area_BT4),
            torch.stack([each.scores_BP for each in steps], 1),
        )
