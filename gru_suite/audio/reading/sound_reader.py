"""An open sound file that is read in blocks of one channel.

Shapes: S samples.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

BLOCK = 1 << 18


class SoundReader(ABC):
    """An open sound file.

    Attributes:
        rate_hz: sample rate.
        seconds: duration by the header; None if it says none, as in the recordings of browsers.
    """

    rate_hz: int
    seconds: float | None

    @abstractmethod
    def blocks(self, size: int = BLOCK) -> Iterator[Samples]:
        """Yield all samples, full scale 1.0, the mean of the channels, in blocks of shape (S,).

        Args:
            size: of each block but the last.

        Raises:
            ValueError: the file is damaged.
        """

    def read(self) -> Samples:
        """Return all samples, shape (S,)."""
        return np.concatenate([np.empty(0, np.float32), *self.blocks()])
