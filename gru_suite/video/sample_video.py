"""An example of a video: a bright square that moves over a dark ground."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np

_RATE_HZ = 12


def moving_square_video(height: int, width: int, num_frames: int) -> bytes:
    """Return a WebM file, which browsers play.

    Args:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        num_frames: frames at 12 a second.
    """
    # The format stores colours at half the resolution.
    height, width = max(16, height // 2 * 2), max(16, width // 2 * 2)
    side = min(height, width) // 3
    content = BytesIO()
    with av.open(content, "w", "webm") as container:
        stream = container.add_stream("libvpx", _RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(num_frames):
            frame_HW3 = np.full((height, width, 3), 40, np.uint8)
            left = number * (width - side) // max(1, num_frames - 1)
            frame_HW3[side : 2 * side, left : left + side] = (230, 200, 90)
            frame = av.VideoFrame.from_ndarray(frame_HW3, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()
