"""Data module of recordings with transcripts.

Shapes: L samples of a noise bank.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gru_suite.audio.data_module import AudioModule
from gru_suite.audio.noise import noise_bank
from gru_suite.data.held_out import hold_out_groups, missing_shares, with_held_out
from gru_suite.data.splits import PARTS
from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import check_count, check_number

from .batches.connected_words import LONGEST_S, ConnectedWords, random_texts
from .batches.ctc_tokens import CtcTokens
from .batches.transcript_dataset import RecordingDataset
from .inference.token_schema import fit_tokens
from .reading.decoding import DecodedParts, decode_parts, drop_long
from .reading.transcript_parts import read_parts, usable
from .reading.utterances import Parts
from .reading.word_recordings import WordRecordings, read_word_recordings
from .samples.spoken_sentences import spoken_sentences

SYNTHETIC = "synthetic speech (espeak-ng)"
_STRINGS = {"val": 400, "test": 1_000}
# Of connected words: texts for the tokenizer and the language model.
_TEXTS = 2_000


class TranscriptDataModule(AudioModule):
    """Recordings with their transcripts."""

    sources = ("transcripts", "connected_words", "spoken_sentences")
    files = "recordings, or a table of their paths and transcripts"

    def __init__(
        self,
        path: str | None = None,
        source: str = "transcripts",
        val_path: str | None = None,
        test_path: str | None = None,
        audio_dir: str | None = None,
        path_column: Column | None = None,
        text_column: Column | None = None,
        group_column: Column | None = None,
        group_regex: str | None = None,
        encoding: str = "utf-8",
        split: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        normalize: bool = True,
        tokenizer: str = "char",
        vocabulary_size: int = 500,
        language_model: int = 0,
        sample_rate_hz: int = 16000,
        max_seconds: float = 30.0,
        max_bad_fraction: float = 0.05,
        augment: dict[str, Any] | None = None,
        words: Sequence[str] | None = None,
        count: int = 2_000,
        snr_db: float = 20.0,
        spotter: str | None = None,
        batch_size: int = 16,
        cache_dir: str | None = None,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            path: of ``transcripts``: a table of paths and transcripts, or a folder of LibriSpeech,
                Common Voice or AN4; of ``connected_words``: the folder of Speech Commands.
            source: ``transcripts``, ``connected_words`` (strings of 2 to 7 words, joined of single
                words by one speaker) or ``spoken_sentences`` (synthetic, embedded).
            val_path: table of validation recordings; None holds out training recordings.
            test_path: table of test recordings; None holds out training recordings.
            audio_dir: folder that paths in tables are relative to; None is that of the table.
            path_column: of the tables; None finds it by its name.
            text_column: of the tables; None finds it by its name.
            group_column: of the speakers, none of whom is in two parts.
            group_regex: finds the speaker in a path, without ``group_column``.
            encoding: of text files.
            split: shares of train, val and test, for the parts without a file.
            split_seed: of the split.
            normalize: transcripts in lower case without punctuation.
            tokenizer: ``char``, ``bpe`` or ``word``, trained on the training part.
            vocabulary_size: most tokens in the vocabulary.
            language_model: order of the n-gram model of the training transcripts, for
                ``task.beam_size`` above 1; 0 for none.
            sample_rate_hz: rate to which recordings are resampled.
            max_seconds: longer training recordings are left out and counted.
            max_bad_fraction: largest share of unreadable files and of empty transcripts, which are
                left out and listed; above it an error is raised.
            augment: options of :class:`Augmentation`, for training.
            words: of ``connected_words``; None takes all that have recordings.
            count: strings of ``connected_words`` in an epoch of training, or sentences of
                ``spoken_sentences`` in its training part.
            snr_db: signal-to-noise ratio of ``connected_words`` in validation and test.
            spotter: a checkpoint of task=speech_commands with the words, for the baseline.
            batch_size: recordings in a batch.
            cache_dir: folder of decoded audio; None is the user's cache folder.
            seed: of the training order and all draws, which differ from epoch to epoch.
            schema: of a checkpoint; its tokenizer and sample rate are used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__(path, source, max_bad_fraction, batch_size, cache_dir, seed, schema)
        self.keep_sound(sample_rate_hz, augment)
        check_number("data.max_seconds", max_seconds, 0.1, 3600)
        check_number("data.snr_db", snr_db, -100, 100)
        check_count("data.count", count, 1)
        check_count("data.language_model", language_model, 0)
        self._files = {"val": val_path, "test": test_path}
        self._table: dict[str, Any] = {
            "path_column": path_column,
            "text_column": text_column,
            "group_column": group_column,
            "group_regex": group_regex,
            "encoding": encoding,
        }
        self._audio_dir, self._split, self._split_seed = audio_dir, split, split_seed
        self._normalize = bool(self._schema.get("normalize", normalize))
        self._tokenizer, self._vocabulary_size = tokenizer, vocabulary_size
        self._order, self._count, self._spotter = language_model, count, spotter
        self._max_seconds, self._snr_db, self._words = max_seconds, snr_db, words
        self.labels = []
        self._notes: list[str] = []

    def prepare_data(self) -> None:
        """Synthesise and decode the recordings that are not in the cache."""
        if self.datasets:
            return
        if self._source == "connected_words":
            self._decode_words()
        else:
            self._decode()

    def setup(self, stage: str | None = None) -> None:
        """Open the recordings in the cache, and train the tokenizer.

        Raises:
            UserError: the data cannot be used.
        """
        if self.datasets:
            return
        if self._source == "connected_words":
            self._setup_words()
        else:
            self._setup_transcripts()
        for part in PARTS:
            if not len(self.datasets[part]):
                raise UserError(f"{self.name}: the {part} part has no recordings")

    # Recordings with transcripts

    def _read(self) -> Parts:
        if self._source == "spoken_sentences":
            paths, folder = {"train": spoken_sentences(self._cache, self._count)}, None
            parts = read_parts(paths, None, {"group_column": "voice"}, "part")
        else:
            folder = None if self._audio_dir is None else Path(self._audio_dir).expanduser()
            given = {"train": str(self.folder()), **self._files}
            paths = {part: Path(p).expanduser() for part, p in given.items() if p is not None}
            parts = read_parts(paths, folder, self._table)
        for part, found in parts.items():
            parts[part] = usable(found, self._normalize, self._max_bad_fraction)
        return parts

    def _decode(self) -> DecodedParts:
        return decode_parts(self._read(), self._rate_hz, self._cache, self._max_bad_fraction)

    def _setup_transcripts(self) -> None:
        decoded = self._decode()
        parts, samples, self._unreadable = decoded
        shares, train = missing_shares(parts, self._split), parts["train"]
        keys = [group or f"recording {row}" for row, group in enumerate(train.groups)]
        rows = hold_out_groups(keys, shares, self._split_seed)
        parts = with_held_out(parts, shares, rows)
        train = parts["train"].select(self.training_rows([0] * len(parts["train"])))
        longest = round(self._max_seconds * self._rate_hz)
        parts["train"] = drop_long(train, samples, longest, self._max_seconds)
        self._fit(parts["train"].texts)
        tokens = CtcTokens(self._schema["tokenizer"])
        self.datasets = {
            part: RecordingDataset(
                samples,
                found.clips,
                tokens.encode(found.texts),
                found.texts,
                [path.name for path in found.paths],
            )
            for part, found in parts.items()
        }
        self._notes += [note for found in parts.values() for note in found.notes]
        self._groups = {part: found.groups for part, found in parts.items()}
        self.noises = self.synthetic_noises()

    # Strings of single words

    def _decode_words(self) -> WordRecordings:
        limit, words = self._max_bad_fraction, self._words
        return read_word_recordings(self.folder(), self._rate_hz, self._cache, limit, words)

    def _setup_words(self) -> None:
        found = self._decode_words()
        self.noises, self._unreadable = found.noises, found.unreadable
        self._fit([*found.vocabulary, *random_texts(found.vocabulary, _TEXTS)])
        tokens = CtcTokens(self._schema["tokenizer"])
        longest = round(LONGEST_S * self._rate_hz)
        self.datasets = {
            part: ConnectedWords(
                found.samples,
                words,
                _STRINGS.get(part, self._count),
                tokens,
                self._rate_hz,
                self._seed if part == "train" else PARTS.index(part),
                None if part == "train" else noise_bank(self.noises, part, longest),
                self._snr_db,
                part == "train",
            )
            for part, words in found.words.items()
        }
        self._groups = {part: words.speakers for part, words in found.words.items()}
        self._notes += found.notes

    def _fit(self, texts: Sequence[str]) -> None:
        """Train the tokenizer, unless a schema was given."""
        if not self._schema:
            self._schema = {
                **fit_tokens(texts, self._tokenizer, self._vocabulary_size, self._order),
                "normalize": self._normalize,
                "sample_rate_hz": self._rate_hz,
            }

    # The data set described, for the task and for results

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the data set, as in ``metrics.json``."""
        if self._source == "spoken_sentences":
            return f"spoken_sentences, {SYNTHETIC}"
        stem = self.folder().resolve().name
        return f"connected words of {stem}" if self._source == "connected_words" else stem

    def schema(self) -> dict[str, Any]:
        """Return tokenizer, language model and sample rate, after ``setup``."""
        return dict(self._schema)

    def part_summary(self, part: str) -> str:
        """Return the number of recordings, minutes and speakers of a part."""
        dataset, groups = self.datasets[part], set(self._groups[part]) - {""}
        minutes = sum(dataset.lengths) / self._rate_hz / 60
        kind = "strings" if self._source == "connected_words" else "recordings"
        speakers = f" of {len(groups):,} speakers" if groups else ""
        return f"{len(dataset):,} {kind}{speakers} ({minutes:,.0f} minutes)"

    def summary(self) -> list[str]:
        """Return sizes, tokens, notes and unreadable files."""
        lines = super().summary()
        parts = ", ".join(f"{part} {self.part_summary(part)}" for part in PARTS)
        size = CtcTokens(self._schema["tokenizer"]).size
        kind = self._schema["token_kind"]
        return [f"{self.name}: {parts}", f"tokens: {size:,} ({kind})", *lines[1:]]

    def notes(self) -> list[str]:
        """Return remarks on the data."""
        return self._notes

    def raw_examples(self, count: int) -> list[Any]:
        """Return test recordings: samples of full scale 1.0 and their sample rate in Hz."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        found = (test[row] for row in rows)
        return [(each.x[0, : int(each.lengths_B[0])].numpy(), self._rate_hz) for each in found]

    def score_baselines(
        self, loaders: Mapping[str, Iterable[Any]], stage: str, scoring: Mapping[str, Any] | None
    ) -> Mapping[str, Mapping[str, float]]:
        """Score the most frequent training transcript, and a keyword spotter where one is given."""
        from .training.baselines import baseline_scores

        return baseline_scores(loaders["train"], loaders[stage], self._rate_hz, self._spotter)
