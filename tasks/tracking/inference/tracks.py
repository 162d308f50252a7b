"""Tracks: the box of an object in each frame of a video.

Shapes: T frames; the last axis of a box is x, y, width and height, in pixels of the video.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Track:
    """An object that was followed.

    Attributes:
        name: of the video, and the number of the object.
        boxes_T4: in each frame, the given one first.
        visible_T: probability that it is to be seen in each.
    """

    name: str
    boxes_T4: NDArray[np.float32]
    visible_T: NDArray[np.float32]


class Tracks:
    """The objects of one ``predict``: a sequence of :class:`Track`."""

    def __init__(self, items: Sequence[Track]) -> None:
        """Store the tracks."""
        self.items = list(items)

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.items)

    def __iter__(self) -> Iterator[Track]:
        """Yield the tracks."""
        return iter(self.items)

    def __getitem__(self, index: int) -> Track:
        """Return one track."""
        return self.items[index]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return columns of plain data: name, and box and visibility in the last frame."""
        lasts = [each.boxes_T4[-1].tolist() for each in self.items]
        columns = {
            key: [box[place] for box in lasts]
            for place, key in enumerate(("x", "y", "width", "height"))
        }
        visible = [float(each.visible_T[-1]) for each in self.items]
        return {"object": [each.name for each in self.items], **columns, "visible": visible}

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each object: its box in the last frame."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def to_table(self) -> "pd.DataFrame":
        """Return a row for each object in each frame."""
        import pandas as pd

        parts = []
        for each in self.items:
            boxes = pd.DataFrame(each.boxes_T4, columns=["x", "y", "width", "height"])
            boxes.insert(0, "object", each.name)
            boxes.insert(1, "frame", range(len(boxes)))
            boxes["visible"] = each.visible_T
            parts.append(boxes)
        return pd.concat(parts, ignore_index=True)
