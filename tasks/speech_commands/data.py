"""Data module of recordings: official layouts, folders of classes, and the spoken sample words.

Shapes: L samples of a noise bank.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gru_suite.audio.data_module import AudioModule
from gru_suite.audio.noise import noise_bank
from gru_suite.audio.reading.corpus import (
    Corpus,
    list_folders,
    list_speech_commands,
    split_recordings,
)
from gru_suite.audio.reading.noise_files import write_noise
from gru_suite.data.media import count_items, select_items
from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import check_number

from .batches.audio_dataset import AudioDataset
from .batches.clips import clips_by_part, median_length
from .reading.download import archive, fetch
from .reading.labels import label_names
from .reading.recordings import DecodedRecordings, read_recordings
from .samples.spoken_words import spoken_words

SYNTHETIC = "synthetic speech (espeak-ng)"


class AudioDataModule(AudioModule):
    """Labelled recordings."""

    sources = ("speech_commands", "folders", "spoken_words")
    files = "recordings"

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
        """Store the options; nothing is read yet.

        Args:
            path: the folder of the recordings; unused with ``source=spoken_words``.
            source: ``speech_commands`` (the official layout), ``folders`` (a folder a class) or
                ``spoken_words`` (synthetic).
            labels: ``core10``, ``v2_12``, ``v1_12``, ``all`` or a list of words.
            version: of the official archive, for ``download``: ``v0.01`` or ``v0.02``.
            download: fetch the official archive into ``path`` where there is nothing yet.
            group_regex: with ``source=folders``, regular expression of the speaker in a file's
                path.
            split: with ``source=folders``, shares of training, validation and test.
            sample_rate_hz: rate to which recordings are resampled.
            max_seconds: of a longer clip the segment of this length with the highest energy is
                used.
            max_bad_fraction: largest share of unreadable files, which are left out and listed;
                above it an error is raised.
            augment: options of :class:`Augmentation`, for training.
            snr_db: signal-to-noise ratios in dB at which validation and test are repeated.
            batch_size: clips in a batch.
            cache_dir: folder of decoded audio; None is the user's cache folder.
            seed: of the training order and the augmentation, which differ from epoch to epoch.
            schema: of a checkpoint; its labels and sample rate are used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__(path, source, max_bad_fraction, batch_size, cache_dir, seed, schema)
        self.keep_sound(sample_rate_hz, augment)
        check_number("data.max_seconds", max_seconds, 0.02, 3600)
        self._labels_option, self._version, self._download = labels, version, download
        self._group_regex, self._split = group_regex, split
        self._max_seconds, self._snr_db = max_seconds, _levels(snr_db)

    # DecodedRecordings

    def prepare_data(self) -> None:
        """Download, synthesise and decode the recordings that are not in the cache."""
        if self.datasets:
            return
        if self._source == "spoken_words":
            spoken_words(self._cache)
        elif self._download and not (self._root().is_dir() and any(self._root().iterdir())):
            fetch(archive(self._version), self._root())
        self._read()

    def setup(self, stage: str) -> None:
        """Select the recordings of every class and part, and open them in the cache."""
        if self.datasets:
            return
        root, decoded = self._root(), self._read()
        self._unreadable, labelled, samples = decoded.unreadable, decoded.labelled, decoded.samples
        clips = clips_by_part(decoded, self._rate_hz, self._max_seconds)
        rows = self.training_rows(clips["train"].label_N.tolist())
        clips["train"] = select_items(clips["train"], rows)
        for part in PARTS:
            if not clips[part].names:
                raise UserError(
                    f"{self.name}: no recordings for the {part} part (data.path={root}); there are "
                    + ", ".join(f"{len(clips[p].names)} for {p}" for p in PARTS)
                )
        longest = max(int(clips[part].length_N.max()) for part in PARTS)
        self.noises = [samples.get(clip) for clip in decoded.noise_clips]
        self.labels, self._num_left_out = labelled.labels, labelled.num_left_out
        self._notes = decoded.notes
        self.datasets = {
            part: AudioDataset(
                samples.values_S,
                clips[part],
                noise_bank(self.noises, part, longest) if self._snr_db else None,
                () if part == "train" else self._snr_db,
            )
            for part in PARTS
        }

    def _root(self) -> Path:
        if self._source == "spoken_words":
            return spoken_words(self._cache)
        return self.folder()

    def _read(self) -> DecodedRecordings:
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

    # The data set described, for the task and for results

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the data set and its labels, as in ``metrics.json``."""
        chosen = self._labels_option
        labels = chosen if isinstance(chosen, str) else f"{len(chosen)} words"
        if self._source == "spoken_words":
            return f"spoken_words {labels}, {SYNTHETIC}"
        return f"{self._root().resolve().name} {labels}"

    def schema(self) -> dict[str, Any]:
        """Return labels, class counts, sample rate, and median and largest length of the clips."""
        lengths = self.datasets["train"].lengths
        return {
            **super().schema(),
            "sample_rate_hz": self._rate_hz,
            "clip_samples": median_length(lengths),
            "max_samples": max(lengths),
        }

    def part_summary(self, part: str) -> str:
        """Return the number of clips and speakers of a part."""
        clips = self.datasets[part].clips
        return count_items(len(clips.names), "clips", clips.speaker_N, "speakers")

    def notes(self) -> list[str]:
        """Return the number of recordings that have none of the labels, and the files not read."""
        count = self._num_left_out
        return [f"recordings of no label: {count:,}"] * bool(count) + self._notes

    def raw_examples(self, count: int) -> list[Any]:
        """Return test clips: samples of full scale 1.0 and their sample rate in Hz."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        return [(test[row].x[0].numpy(), self._rate_hz) for row in rows]

    def score_baselines(
        self, loaders: Mapping[str, Iterable[Any]], stage: str, scoring: Mapping[str, Any] | None
    ) -> Mapping[str, Mapping[str, float]]:
        """Score the majority class, and logistic regression on MFCC statistics."""
        from .training.baselines import baseline_scores

        return baseline_scores(loaders, self.schema(), stage)


def _levels(snr_db: Sequence[float] | float) -> list[float]:
    levels = list(snr_db) if isinstance(snr_db, Sequence) else [snr_db]
    for level in levels:
        check_number("data.snr_db", level, -100, 100)
    return [float(level) for level in levels]
