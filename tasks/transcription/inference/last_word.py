"""Latency of the last word in a stream.

Shapes: S samples.
"""

import time

import numpy as np
from numpy.typing import NDArray

from .streaming import TranscriptionStream

_CHUNK_MS = 20
# Speech ends with the last chunk whose power is at most this far below the loudest.
_QUIET_DB = 30.0


def last_word_ms(stream: TranscriptionStream, clip_S: NDArray[np.float32]) -> float:
    """Return the time from the end of speech to the whole transcript, in milliseconds.

    Of sound that arrives at its own pace in chunks of 20 ms: the sound that still has to be heard,
    and the computation of the last chunk. Silence follows the recording.

    Args:
        stream: a new one.
        clip_S: a recording of full scale 1.0.
    """
    rate_hz = stream.model.sample_rate_hz
    size = rate_hz * _CHUNK_MS // 1000
    count = max(1, -(-len(clip_S) // size))
    chunks = np.zeros((count + 1000 // _CHUNK_MS, size), np.float32)
    chunks.reshape(-1)[: len(clip_S)] = clip_S
    power = np.square(chunks[:count]).mean(1)
    last = int(np.flatnonzero(power >= power.max() * 10 ** (-_QUIET_DB / 10))[-1])
    text, complete, seconds = "", 0, 0.0
    for number, chunk_S in enumerate(chunks):
        started = time.perf_counter()
        found = stream.push((chunk_S, rate_hz))[0].text
        if found != text:
            text, complete, seconds = found, number, time.perf_counter() - started
    return max(0, complete - last) * _CHUNK_MS + 1000 * seconds
