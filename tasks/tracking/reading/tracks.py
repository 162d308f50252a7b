"""Objects in videos: boxes by frame, and the parts of a data set.

Shapes: T frames; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass
class Track:
    """An object of a video.

    Attributes:
        video: file of the video, or folder of its images.
        name: of the object, for messages: the video's name and the object's.
        first: number of the first frame, from 0.
        boxes_T4: box in each frame from ``first`` on; NaN where it is unknown.
        visible_T: whether the object is to be seen in each.
        group: objects of a group, such as a video or a person, are in one part.
    """

    video: Path
    name: str
    first: int
    boxes_T4: NDArray[np.float32]
    visible_T: NDArray[np.bool_]
    group: str


@dataclass
class Tracks:
    """Objects of a part, with remarks on their reading.

    Attributes:
        items: the objects.
        notes: remarks.
    """

    items: list[Track] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.items)

    def select(self, rows: Sequence[int]) -> "Tracks":
        """Return some of the objects, with all notes."""
        return Tracks([self.items[row] for row in rows], list(self.notes))


Parts = dict[str, Tracks]
"""``train``, ``val`` and ``test``; those that a data set has."""
