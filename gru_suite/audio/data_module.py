"""The base of data modules of recordings.

Shapes: B batch, S samples (right-padded), L samples of a noise bank.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.audio.augmentation import Augmentation, augment
from gru_suite.audio.noise import noise_bank
from gru_suite.audio.reading.noise_files import write_noise
from gru_suite.audio.reading.sound_files import FULL_SCALE, read_sound, to_int16
from gru_suite.data.media import MediaDataModule
from gru_suite.options import build, check_number


class AudioModule(MediaDataModule):
    """Recordings that are augmented with background noise in training.

    A subclass sets ``noises`` in ``setup``.

    Attributes:
        augmentation: ranges of the augmentation.
        noises: recordings of background noise, 16-bit samples.
    """

    kind = "audio"
    augmentation: Augmentation
    noises: list[NDArray[np.int16]]

    def keep_sound(self, sample_rate_hz: int, options: dict[str, Any] | None) -> None:
        """Store rate and augmentation.

        Args:
            sample_rate_hz: to which recordings are resampled; that of a schema goes before it.
            options: of :class:`Augmentation`.

        Raises:
            UserError: an option is out of its range.
        """
        check_number("data.sample_rate_hz", sample_rate_hz, 1000, 192_000)
        self.augmentation = build(Augmentation, "data.augment", options)
        self._rate_hz = int(self._schema.get("sample_rate_hz", sample_rate_hz))
        self._bank_L: Tensor | None = None

    def synthetic_noises(self) -> list[NDArray[np.int16]]:
        """Return noise for data without recorded noise."""
        paths = write_noise(self._cache / "noise", self._rate_hz)
        return [to_int16(read_sound(path, self._rate_hz)) for path in paths]

    def augment_batch(self, batch: Any, generator: torch.Generator) -> Any:
        """Return a batch with random speed, shift, gain and background noise."""
        bank_L = self._noise_bank(batch.x)
        x_BS, lengths_B = augment(
            batch.x, batch.lengths_B, bank_L, self._rate_hz, self.augmentation, generator
        )
        return batch._replace(x=x_BS, lengths_B=lengths_B)

    def _noise_bank(self, x_BS: Tensor) -> Tensor:
        """Return the background noise for training recordings, full scale 1.0, shape (L,)."""
        if self._bank_L is None or self._bank_L.device != x_BS.device:
            self._bank_L = self._make_bank(max(self.datasets["train"].lengths)).to(x_BS.device)
        if len(self._bank_L) < self._needed(x_BS.size(1)):
            # Not kept, so that draws depend on nothing before this batch.
            return self._make_bank(x_BS.size(1)).to(x_BS.device)
        return self._bank_L

    def _needed(self, num_samples: int) -> int:
        return math.ceil(num_samples / (1 - self.augmentation.speed)) + 1

    def _make_bank(self, num_samples: int) -> Tensor:
        bank_L = noise_bank(self.noises, "train", self._needed(num_samples))
        return torch.from_numpy(bank_L / np.float32(FULL_SCALE))
