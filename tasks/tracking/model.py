"""The tracking model in use: tracks, streams, annotated videos, export.

Shapes: T frames, N objects; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.nn.evaluation import evaluating

from .inference.annotation import annotate_tracks
from .inference.export import StepExport
from .inference.inputs import read_inputs
from .inference.streaming import TrackingStream
from .inference.tracks import Track, Tracks
from .network.targets import Target
from .network.tracker import Tracker


class TrackingModel(Tracker):
    """Videos and first boxes to tracks."""

    service_class: ClassVar[str] = "gru_suite.tasks.tracking.service:TrackingService"

    def predict(self, raw: Any) -> Tracks:
        """Follow objects.

        Args:
            raw: a pair of a video and the box of an object in its first frame, (x, y, width,
                height) in pixels; or the boxes of several, shape (objects, 4). The video is the
                path of a file, of a folder of images, or frames of uint8, (time, height, width,
                3). Or a list of such pairs.

        Raises:
            UserError: a video cannot be read, or a box is not in its first frame.
        """
        items: list[Track] = []
        for name, frames_THW3, boxes_N4 in read_inputs(raw):
            found_NT4, visible_NT = self.follow(frames_THW3, boxes_N4)
            several = len(boxes_N4) > 1
            items += [
                Track(f"{name} {number}" if several else name, boxes_T4, visible_T)
                for number, (boxes_T4, visible_T) in enumerate(
                    zip(found_NT4, visible_NT, strict=True)
                )
            ]
        return Tracks(items)

    @torch.inference_mode()
    def follow(
        self, frames_THW3: NDArray[np.uint8], boxes_N4: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Follow the objects of one video, all at once.

        Args:
            frames_THW3: RGB.
            boxes_N4: in the first frame.

        Returns:
            Boxes in each frame, shape (N, T, 4), and the probability that the object is to be
            seen, shape (N, T).
        """
        first_N4 = torch.from_numpy(boxes_N4).to(self.device)
        boxes, visible = [first_N4], [torch.ones(len(first_N4), device=self.device)]
        target: Target | None = None
        with evaluating(self):
            for frame in frames_THW3:
                now = torch.from_numpy(np.array(frame)).to(self.device)
                now = now.expand(len(first_N4), *now.shape)
                if target is None:
                    target = self.start(now, first_N4)
                    continue
                found_B5, _, _, target = self.step(now, target)
                boxes.append(target.boxes_B4)
                visible.append(found_B5[:, 4].sigmoid())
        found = torch.stack(boxes, 1).cpu().numpy(), torch.stack(visible, 1).cpu().numpy()
        return found

    def predict_file(
        self, source: Path, target: Path, annotate: bool = False, box: Any = None
    ) -> list[Path]:
        """Follow objects of a video and write a table: a row for each object in each frame.

        Args:
            source: a video file, or a folder of images.
            target: the table.
            annotate: also write a copy of the video, beside the table, with boxes and trails.
            box: of the object in the first frame, [x, y, width, height] in pixels, or a list of
                several.

        Raises:
            UserError: there is no box, or it is not in the first frame.
        """
        if box is None:
            raise UserError(
                f"input {source}: needs the box of an object in the first frame: "
                "box=[x,y,width,height] in pixels, or several: box=[[...],[...]]"
            )
        ((_, frames_THW3, boxes_N4),) = read_inputs((source, box))
        found_NT4, visible_NT = self.follow(frames_THW3, boxes_N4)
        pairs = enumerate(zip(found_NT4, visible_NT, strict=True))
        tracks = Tracks([Track(str(number), *pair) for number, pair in pairs])
        with atomic_path(target) as temporary:
            tracks.to_table().to_csv(temporary, index=False)
        if not annotate:
            return [target]
        copy = target.with_name(f"{target.stem}_{source.name.replace('.', '_')}.mp4")
        images = frames_THW3 if source.is_dir() else None
        return [target, annotate_tracks(source, copy, tracks.items, frames_THW3.shape[1], images)]

    def stream(self, batch_size: int = 1) -> TrackingStream:
        """Return streams that take frames; see :class:`TrackingStream`."""
        return TrackingStream(self, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return one step as a function of frames, boxes and state."""
        return StepExport(self)

    def speed(self, raw: Any, seconds: float) -> dict[str, float]:
        """Return frames a second, of one object."""
        ((_, frames_THW3, _),) = read_inputs(raw)
        return {"frames_per_second": len(frames_THW3) / seconds}

    def limits(self) -> list[str]:
        """Return known limits."""
        drawn = (
            "Trained with rendered stick figures: filmed objects were not evaluated."
            if self.run_info.get("data", {}).get("source") == "tracked_people"
            else "The objects of the training videos are not recorded; no others were evaluated."
        )
        return [*super().limits(), drawn, "The first box has to be given: it detects nothing."]

    def usage(self) -> list[str]:
        """Return Python lines that follow a box through noise."""
        return [
            "import numpy",
            "",
            "# Your own: the path of a video, and a box in its first frame.",
            "frames = numpy.random.default_rng(0).integers(0, 256, (5, 96, 128, 3), 'uint8')",
            "print(model.predict((frames, [40, 30, 20, 40])).to_table())",
        ]
