"""Sound files read by FFmpeg: what phones and browsers record, MP3, sound tracks of videos.

Shapes: S samples.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from .sound_reader import BLOCK, Samples, SoundReader

# A play list in disguise must not fetch anything.
_OPTIONS = {"protocol_whitelist": "file"}
# A file with fewer of its packets, or of its declared duration, is damaged.
_MIN_SHARE, _MAX_MISSING_S = 0.9, 0.3
# PyAV ends the process where a damaged file claims more: it reads beyond its list of planes.
_MAX_CHANNELS = 8


class FFmpegReader(SoundReader):
    """A sound file of any format of FFmpeg."""

    def __init__(self, source: Path | BytesIO) -> None:
        """Read the header.

        Raises:
            ValueError: it cannot be read, or holds no sound.
        """
        self._source = source
        with self._opened() as (container, stream):
            codec = stream.codec_context
            if codec is None or not codec.sample_rate:
                raise ValueError("not a readable sound file: of an unknown codec")
            self.rate_hz = codec.sample_rate
            self.seconds = None
            if stream.duration is not None and stream.time_base is not None:
                self.seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                self.seconds = container.duration / 1e6

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, AudioStream]]:
        if isinstance(self._source, BytesIO):
            self._source.seek(0)
        try:
            with av.open(
                self._source, "r", metadata_errors="replace", options=_OPTIONS
            ) as container:
                if not container.streams.audio:
                    other = ", only pictures" if container.streams.video else ""
                    raise ValueError(f"holds no sound{other}")
                yield container, container.streams.audio[0]
        except (av.error.FFmpegError, OSError) as error:
            reason = error.strerror or str(error)
            raise ValueError(f"not a readable sound file: {reason.strip()}") from error

    def blocks(self, size: int = BLOCK) -> Iterator[Samples]:
        """Yield all samples; packets that cannot be decoded are left out, if they are few."""
        waiting: list[Samples] = []
        num_waiting = count = 0
        for samples_S in self._decoded():
            waiting.append(samples_S)
            num_waiting += len(samples_S)
            count += len(samples_S)
            if num_waiting >= size:
                joined_S = np.concatenate(waiting)
                full = num_waiting // size * size
                for start in range(0, full, size):
                    yield joined_S[start : start + size]
                waiting, num_waiting = [joined_S[full:]], num_waiting - full
        if num_waiting:
            yield np.concatenate(waiting)
        seconds = count / self.rate_hz
        if not count:
            raise ValueError("none of its sound can be decoded")
        if self.seconds and seconds < min(_MIN_SHARE * self.seconds, self.seconds - _MAX_MISSING_S):
            raise ValueError(f"cut off after {seconds:.1f} of {self.seconds:.1f} seconds")

    def _decoded(self) -> Iterator[Samples]:
        num_packets = num_damaged = 0
        with self._opened() as (container, stream):
            for packet in container.demux(stream):
                num_packets += 1
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    num_damaged += 1
                    continue
                for frame in frames:
                    if frame.sample_rate != self.rate_hz:
                        raise ValueError(
                            f"its sample rate changes from {self.rate_hz} to {frame.sample_rate}"
                        )
                    yield _mean_of_channels(frame)
        if num_damaged > (1 - _MIN_SHARE) * num_packets:
            raise ValueError(f"{num_damaged} of {num_packets} packets are damaged")


def _mean_of_channels(frame: av.AudioFrame) -> Samples:
    """Return a frame as one channel, full scale 1.0, shape (S,)."""
    if frame.layout.nb_channels > _MAX_CHANNELS:
        raise ValueError(f"has {frame.layout.nb_channels} channels, more than {_MAX_CHANNELS}")
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    samples_S: Samples = values.mean(axis=0, dtype=np.float64)
    if values.dtype.kind in "iu":
        half = 2.0 ** (8 * values.dtype.itemsize - 1)
        samples_S = samples_S / half - (values.dtype.kind == "u")
    return samples_S.astype(np.float32)
