"""Writing of video files."""

from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray


def write_video(
    path: Path, frames_THWC: NDArray[np.uint8], frame_rate_hz: int, codec: str | None = None
) -> None:
    """Encode frames as an MP4 file, with H.264 where available, else MPEG-4.

    Args:
        path: the file.
        frames_THWC: RGB, of even sides.
        frame_rate_hz: frames a second.
        codec: of FFmpeg; None chooses one.
    """
    if codec is None:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=frame_rate_hz))
        stream.height, stream.width = frames_THWC.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "26", "threads": "1"}
        else:
            stream.bit_rate = 1_000_000
        for frame in frames_THWC:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
