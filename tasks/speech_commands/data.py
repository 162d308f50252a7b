"""The data module of recordings: official layouts, folders of classes, and the spoken sample words.

Shapes: L samples of a noise bank.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gru_suite.data.cache import cache_folder
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import name_bad
from gru_suite.errors import UserError, nearest
from gru_suite.model.batches import spread_by_length
from gru_suite.options import build, check_number

from .batches.audio_dataset import AudioBatch, AudioDataset, audio_loader
from .batches.augmentation import Augmentation, augment
from .batches.clips import clips_by_part, usual_length
from .batches.noise import noise_bank
from .reading.corpus import Corpus, list_folders, list_speech_commands, split_recordings
from .reading.download import archive, fetch
from .reading.labels import label_names
from .reading.recordings import Reading, read_recordings
from .samples.spoken_words import spoken_words, write_noise

SOURCES = ("speech_commands", "folders", "spoken_words")
SYNTHETIC = "synthetic speech (espeak-ng)"


class AudioDataModule(SequenceDataModule):
    """Recordings with a class each.

    The files are decoded once, in parallel, into a memory-mapped cache that is found by their
    content; after that no epoch touches them.

    Attributes:
        datasets: train, val and test; there after ``setup``.
        labels: names of the classes; there after ``setup``.
    """

    def __init__(
        self,
        path: str | None = None,
        source: str = "speech_commands",
        labels: str | Sequence[str] = "core10",
        version: str = "v0.02",
        download: bool = False,
        group_regex: str | None = None,
        split: Sequence[float] = (0.8, 0.1, 0.1),
        sample_rate_hz: int = 16000,
        max_seconds: float = 1.0,
        max_bad_fraction: float = 0.2,
        augment: dict[str, Any] | None = None,
        snr_db: Sequence[float] | float = (),
        batch_size: int = 64,
        cache_dir: str | None = None,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Take the options; nothing is read yet.

        Args:
            path: the folder of the recordings; unused with ``source=spoken_words``.
            source: ``speech_commands`` (the official layout), ``folders`` (a folder a class) or
                ``spoken_words`` (synthetic).
            labels: ``core10``, ``v2_12``, ``v1_12``, ``all`` or a list of words.
            version: of the official archive, for ``download``: ``v0.01`` or ``v0.02``.
            download: fetch the official archive into ``path`` where there is nothing yet.
            group_regex: with ``source=folders``, what names the speaker in a file's path.
            split: with ``source=folders``, shares of training, validation and test.
            sample_rate_hz: rate that everything is brought to.
            max_seconds: of a longer clip its loudest stretch of this length is used.
            max_bad_fraction: share of unreadable files that is left out and named; above it the
                run stops.
            augment: options of :class:`Augmentation`, for training.
            snr_db: signal-to-noise ratios at which validation and test are repeated.
            batch_size: clips in a batch.
            cache_dir: where decoded audio is kept; None is the user's cache folder.
            seed: of the training order and of the augmentation; each epoch has its own draws.
            schema: of a checkpoint, whose labels and sample rate are then used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__()
        if source not in SOURCES:
            raise UserError(f"data.source={source}: no such source{nearest(source, SOURCES)}")
        check_number("data.sample_rate_hz", sample_rate_hz, 1000, 192_000)
        check_number("data.max_seconds", max_seconds, 0.02, 3600)
        check_number("data.max_bad_fraction", max_bad_fraction, 0, 1)
        check_number("data.batch_size", batch_size, 1, math.inf)
        self.augmentation = build(Augmentation, "data.augment", augment)
        self._path, self._source, self._labels_option = path, source, labels
        self._version, self._download = version, download
        self._group_regex, self._split = group_regex, split
        self._schema = schema or {}
        self._rate_hz = int(self._schema.get("sample_rate_hz", sample_rate_hz))
        self._max_seconds, self._max_bad_fraction = max_seconds, max_bad_fraction
        self._snr_db, self._batch_size = _levels(snr_db), int(batch_size)
        self._cache, self._seed = cache_folder("audio", cache_dir), int(seed)
        self._bad: dict[str, str] = {}
        self.datasets: dict[str, AudioDataset] = {}

    # Reading

    def prepare_data(self) -> None:
        """Fetch, speak and decode what is not in the cache yet."""
        if self.datasets:
            return
        if self._source == "spoken_words":
            spoken_words(self._cache)
        elif self._download and not (self._root().is_dir() and any(self._root().iterdir())):
            fetch(archive(self._version), self._root())
        self._read()

    def setup(self, stage: str) -> None:
        """Choose the recordings of every class and part, and open them in the cache."""
        if self.datasets:
            return
        root, reading = self._root(), self._read()
        self._bad, chosen, store = reading.bad, reading.chosen, reading.store
        clips = clips_by_part(
            chosen, reading.clip_of, reading.noise_clips, store, self._rate_hz, self._max_seconds
        )
        for part in PARTS:
            if not clips[part].names:
                raise UserError(
                    f"{self.name}: no recordings for the {part} part (data.path={root}); there are "
                    + ", ".join(f"{len(clips[p].names)} for {p}" for p in PARTS)
                )
        longest = max(int(clips[part].length_N.max()) for part in PARTS)
        self._noises = [store.get(clip) for clip in reading.noise_clips]
        self._bank_L: Tensor | None = None
        self.labels, self._num_left_out = chosen.labels, chosen.num_left_out
        self.datasets = {
            part: AudioDataset(
                store.values_S,
                clips[part],
                noise_bank(self._noises, part, longest) if self._snr_db else None,
                () if part == "train" else self._snr_db,
            )
            for part in PARTS
        }

    def _root(self) -> Path:
        if self._source == "spoken_words":
            return spoken_words(self._cache)
        if not self._path:
            raise UserError("data.path is missing: name the folder of the recordings")
        return Path(self._path).expanduser()

    def _read(self) -> Reading:
        root = self._root()
        folders = self._source == "folders"
        corpus = list_folders(root) if folders else list_speech_commands(root)
        if not corpus.noises:
            corpus = corpus._replace(noises=write_noise(self._cache / "noise", self._rate_hz))
        return read_recordings(
            corpus,
            self._labels_option,
            self._label_names(corpus),
            partial(split_recordings, group_regex=self._group_regex, split=self._split)
            if folders
            else None,
            self._rate_hz,
            self._cache,
            self._max_bad_fraction,
        )

    def _label_names(self, corpus: Corpus) -> list[str]:
        names: list[str] | None = self._schema.get("labels")
        if names is None:
            return label_names(self._labels_option, corpus.words)
        if not set(names) & set(corpus.words):
            raise UserError(
                f"data.path={self._root()}: has none of the checkpoint's labels "
                f"({', '.join(names[:10])}); its folders are {', '.join(corpus.words[:10])}"
            )
        return names

    # What others ask

    @property
    def name(self) -> str:  # type: ignore[override]
        """The data set and its labels, as in ``metrics.json``."""
        chosen = self._labels_option
        labels = chosen if isinstance(chosen, str) else f"{len(chosen)} words"
        if self._source == "spoken_words":
            return f"spoken_words {labels}, {SYNTHETIC}"
        return f"{self._root().resolve().name} {labels}"

    def schema(self) -> dict[str, Any]:
        """Return labels, how often each occurs in training, rate and usual length of the clips."""
        train = self.datasets["train"]
        counts_K = np.bincount(train.labels, minlength=len(self.labels))
        return {
            "labels": list(self.labels),
            "class_counts": counts_K.tolist(),
            "sample_rate_hz": self._rate_hz,
            "clip_samples": usual_length(train.lengths),
            "max_samples": max(train.lengths),
        }

    def summary(self) -> list[str]:
        """Return what was read, the parts, and what was left out."""
        parts = []
        for part in PARTS:
            clips = self.datasets[part].clips
            num_speakers = len(set(clips.speaker_N[clips.speaker_N >= 0].tolist()))
            speakers = f" of {num_speakers:,} speakers" if num_speakers else ""
            parts.append(f"{part} {len(clips.names):,} clips{speakers}")
        lines = [f"{self.name}: {len(self.labels)} labels; {', '.join(parts)}"]
        if self._num_left_out:
            lines.append(f"recordings of no label: {self._num_left_out:,}")
        if self._bad:
            lines.append(f"left out {len(self._bad)} unreadable: {name_bad(self._bad)}")
        return lines

    def raw_examples(self, count: int) -> list[Any]:
        """Return test clips: samples of full scale 1.0, and their rate in Hz."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        return [(test[row].x[0].numpy(), self._rate_hz) for row in rows]

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Return the majority class, and logistic regression on MFCC statistics."""
        from .training.baselines import baseline_scores

        loaders = {part: self.loader(part) for part in {"train", "val", stage}}
        return baseline_scores(loaders, self.schema(), stage)

    # Loaders

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return a loader of the clips of a part."""
        return audio_loader(self.datasets[part], self._batch_size, shuffle, self._seed)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a training batch by fresh draws: on its device, the whole batch at once."""
        trainer = self.trainer
        if trainer is None or not trainer.training or not isinstance(batch, AudioBatch):
            return batch
        # The draws follow from where the training is, so a resumed run goes on with the same ones.
        # Lightning counts a batch only after this hook: the first of an epoch has the number -1.
        place = trainer.current_epoch, trainer.fit_loop.batch_idx + 1, trainer.global_rank
        seed = int(np.random.SeedSequence([abs(self._seed), *place]).generate_state(1)[0])
        x_BS, lengths_B = augment(
            batch.x,
            batch.lengths_B,
            self._bank(batch.x.device),
            self._rate_hz,
            self.augmentation,
            torch.Generator().manual_seed(seed),
        )
        return batch._replace(x=x_BS, lengths_B=lengths_B)

    def _bank(self, device: torch.device) -> Tensor:
        """Return the noise that training clips get, full scale 1.0, shape (L,)."""
        if self._bank_L is None or self._bank_L.device != device:
            longest = max(self.datasets["train"].lengths) / (1 - self.augmentation.speed)
            bank_L = noise_bank(self._noises, "train", math.ceil(longest) + 1)
            self._bank_L = torch.from_numpy(bank_L / np.float32(32768)).to(device)
        return self._bank_L


def _levels(snr_db: Sequence[float] | float) -> list[float]:
    levels = list(snr_db) if isinstance(snr_db, Sequence) else [snr_db]
    for level in levels:
        check_number("data.snr_db", level, -100, 100)
    return [float(level) for level in levels]
