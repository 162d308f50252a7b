"""Strings of words, joined of recordings of single words by one speaker.

Shapes: S samples.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.audio.augmentation import warp
from gru_suite.audio.noise import mix_at_snr
from gru_suite.audio.reading.sound_files import FULL_SCALE
from gru_suite.data.batch_dataset import BatchDataset
from gru_suite.data.ragged_arrays import RaggedArrays

from ..reading.word_recordings import Words
from .ctc_tokens import CtcTokens
from .transcript_dataset import TranscriptBatch, make_batch

Samples = NDArray[np.float32]
FEWEST, MOST = 2, 7
"""Words of a string."""

PAUSE_S = (0.05, 0.5)
SPEED = (0.9, 1.1)
# Of each word of training strings, beside the speed of the string, and its gain in dB.
_WORD_SPEED, _WORD_GAIN_DB = (0.9, 1.1), (-6.0, 6.0)
LONGEST_S = (MOST * (1.0 + PAUSE_S[1]) + PAUSE_S[1]) / SPEED[0]
"""Of a string of validation or test, whose words have a second at most."""

# Kept around a word, and the level below its loudest frame at which it begins and ends.
_MARGIN_S = 0.1
_QUIET_DB = 40.0
_FRAME_S = 0.01
# Of training: epochs in which strings are short, so that the first alignments are found.
_SHORT_EPOCHS = 2


class ConnectedWords(BatchDataset[TranscriptBatch]):
    """Strings of 2 to 7 words by one speaker with drawn words, pauses, speeds and noise.

    Strings of training are drawn anew in each epoch, those of validation and test are determined
    by the part alone.
    """

    def __init__(
        self,
        samples: RaggedArrays,
        words: Words,
        count: int,
        tokens: CtcTokens,
        sample_rate_hz: int,
        seed: int,
        noise_L: NDArray[np.int16] | None,
        snr_db: float,
        training: bool,
    ) -> None:
        """Store the words, and find where each begins and ends.

        Args:
            samples: 16-bit samples of all decoded files.
            words: the recordings of the part, at least one.
            count: strings of an epoch.
            tokens: of the strings.
            sample_rate_hz: of the samples.
            seed: of the draws.
            noise_L: background noise, added to all strings; None for none.
            snr_db: signal-to-noise ratio of it.
            training: draw anew in each epoch, with shorter strings in the first ones.
        """
        self.samples, self.words, self.tokens = samples, words, tokens
        self.rate_hz, self.seed, self.training = sample_rate_hz, seed, training
        self.noise_L, self.snr_db = noise_L, snr_db
        self.spoken = [word_bounds(samples.get(clip), sample_rate_hz) for clip in words.clips]
        rows: dict[str, list[int]] = defaultdict(list)
        for row, speaker in enumerate(words.speakers):
            rows[speaker].append(row)
        self.rows_of = [found for _, found in sorted(rows.items())]
        # A speaker is drawn as often as there are recordings.
        self.share_of = np.array([len(found) for found in self.rows_of], float)
        self.share_of /= self.share_of.sum()
        seconds = [(end - start) / sample_rate_hz for start, end in self.spoken]
        each = (float(np.mean(seconds)) + sum(PAUSE_S) / 2) * sample_rate_hz
        self.num_words = [FEWEST + row % (MOST - FEWEST + 1) for row in range(count)]
        # Of the string that is expected; it decides on the order only.
        self.lengths = [round(number * each) for number in self.num_words]
        self.names = [f"string {row}" for row in range(count)]
        self.labels = []

    def draw(self, index: int) -> tuple[Samples, list[str]]:
        """Return the samples of a string, shape (S,), and its words."""
        position = [self.seed, index] + [self.epoch] * self.training
        random = np.random.default_rng(position)
        number = self.num_words[index]
        if self.training and self.epoch < _SHORT_EPOCHS:
            number = 1 + number % (1 + self.epoch + 1)
        rows = self.rows_of[random.choice(len(self.rows_of), p=self.share_of)]
        chosen = random.choice(rows, number, replace=number > len(rows))
        pieces: list[Samples] = []
        for row in chosen:
            start, end = self.spoken[row]
            word_S = _full_scale(self.samples.get(self.words.clips[row])[start:end])
            if self.training:
                word_S = change_speed(word_S, random.uniform(*_WORD_SPEED))
                word_S *= np.float32(10 ** (random.uniform(*_WORD_GAIN_DB) / 20))
            pause = round(random.uniform(*PAUSE_S) * self.rate_hz)
            pieces += [np.zeros(pause, np.float32), word_S]
        pieces.append(np.zeros(round(random.uniform(*PAUSE_S) * self.rate_hz), np.float32))
        joined_S = change_speed(np.concatenate(pieces), random.uniform(*SPEED))
        if self.noise_L is not None:
            joined_S = self._noisy(joined_S, random)
        return joined_S, [self.words.words[row] for row in chosen]

    def _noisy(self, clip_S: Samples, random: np.random.Generator) -> Samples:
        assert self.noise_L is not None
        start = random.integers(max(1, len(self.noise_L) - len(clip_S)))
        segment = self.noise_L[start : start + len(clip_S)]
        noise_S = _full_scale(np.resize(segment, len(clip_S)))
        clip_1S, noise_1S = (torch.from_numpy(each)[None] for each in (clip_S, noise_S))
        length, snr_db = torch.tensor([len(clip_S)]), torch.tensor([float(self.snr_db)])
        mixed_S: Samples = mix_at_snr(clip_1S, length, noise_1S, snr_db)[0].numpy()
        return mixed_S

    def __getitems__(self, indices: Sequence[int]) -> TranscriptBatch:
        """Return a batch of strings."""
        drawn = [self.draw(index) for index in indices]
        texts = [" ".join(words) for _, words in drawn]
        return make_batch([clip_S for clip_S, _ in drawn], self.tokens.encode(texts), texts)


def random_texts(vocabulary: Sequence[str], count: int) -> list[str]:
    """Return texts of strings, all words as frequent, for a tokenizer and a language model."""
    random = np.random.default_rng(0)
    numbers = random.integers(FEWEST, MOST + 1, count)
    return [" ".join(random.choice(vocabulary, number)) for number in numbers]


def word_bounds(clip_S: NDArray[np.int16], sample_rate_hz: int) -> tuple[int, int]:
    """Return where the word of a recording begins and ends, in samples, with a margin.

    Between the first and the last frame of 10 ms whose power is at most 40 dB below the loudest.
    """
    frame = max(1, round(_FRAME_S * sample_rate_hz))
    num_frames = max(1, len(clip_S) // frame)
    frames = clip_S[: num_frames * frame].astype(np.float64).reshape(num_frames, -1)
    power = np.square(frames).mean(1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-_QUIET_DB / 10))
    margin = round(_MARGIN_S * sample_rate_hz)
    start = max(0, int(loud[0]) * frame - margin)
    return start, min(len(clip_S), (int(loud[-1]) + 1) * frame + margin)


def change_speed(clip_S: Samples, factor: float) -> Samples:
    """Return samples played ``factor`` times as fast, by linear interpolation."""
    length, speed = torch.tensor([len(clip_S)]), torch.tensor([factor])
    changed_1S, _ = warp(torch.from_numpy(clip_S)[None], length, speed, torch.zeros(1))
    changed_S: Samples = changed_1S[0].numpy()
    return changed_S


def _full_scale(clip_S: NDArray[np.int16]) -> Samples:
    return clip_S.astype(np.float32) / np.float32(FULL_SCALE)
