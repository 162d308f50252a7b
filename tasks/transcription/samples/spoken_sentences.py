"""Embedded data: sentences spoken by espeak-ng in many voices, synthesised on first use.

The speech is synthetic: error rates on it do not tell how a model does on human voices.
"""

import csv
import hashlib
import json
import math
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from gru_suite.audio.reading.sound_files import resample, to_int16
from gru_suite.audio.synthesis.espeak import Utterance, installed, synthesize
from gru_suite.audio.synthesis.voices import ACCENTS, VOICES, part_of_voice
from gru_suite.data.cache import make_once
from gru_suite.errors import UserError

from .sentences import Sentences

SAMPLE_RATE_HZ = 16000
TABLE = "transcripts.csv"
# Sentences of a voice, for each of a training voice.
_SHARES = {"train": 1.0, "val": 0.25, "test": 0.5}
# To be increased when the same utterances are synthesised to different samples.
_VERSION = 1
_SEED = 2006
_VOICES_PER_SHARD = 6
_LEVEL_DB = (-35, -18)


def spoken_sentences(cache: Path, count: int = 2_940) -> Path:
    """Return the table of spoken sentences: path, text, voice and part; made on first use.

    Args:
        cache: parent folder.
        count: sentences of the training part, about.

    Raises:
        UserError: a package is not installed, or the speech library fails.
    """
    if not installed():
        raise UserError(
            "the spoken sample sentences need the package espeakng-loader: "
            'pip install "gru-suite[samples]"; or use recordings: data=transcripts data.path='
        )
    parts = part_of_voice()
    of_voice = math.ceil(count / sum(part == "train" for part in parts.values()))
    utterances = {
        voice: utterances_of(voice, math.ceil(_SHARES[part] * of_voice))
        for voice, part in parts.items()
    }
    recipe = json.dumps([_VERSION, _VOICES_PER_SHARD, utterances])
    key = hashlib.blake2b(recipe.encode(), digest_size=8).hexdigest()
    folder = cache / f"spoken_sentences-{key}"
    return make_once(folder, lambda new: _write(new, utterances)) / TABLE


def utterances_of(voice: str, count: int) -> list[Utterance]:
    """Return utterances of a voice; more of them begin with fewer."""
    sentences, draw = Sentences(), random.Random(f"{_SEED} {voice}")
    return [
        Utterance(
            sentences.draw(draw),
            accent=draw.choice(ACCENTS),
            speaker=voice,
            words_per_minute=draw.randint(130, 200),
            pitch=draw.randint(30, 70),
            pitch_range=draw.randint(30, 70),
        )
        for _ in range(count)
    ]


def _write(folder: Path, utterances: dict[str, list[Utterance]]) -> None:
    voices = sorted(VOICES)
    shards = [voices[i : i + _VOICES_PER_SHARD] for i in range(0, len(voices), _VOICES_PER_SHARD)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda shard: _write_shard(shard, utterances, folder), shards))
    parts = part_of_voice()
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "text", "voice", "part"])
        for voice in voices:
            for number, each in enumerate(utterances[voice]):
                table.writerow([_name(voice, number), each.word, voice, parts[voice]])


def _name(voice: str, number: int) -> str:
    return f"{voice}/{number:03d}.flac"


def _write_shard(
    voices: Sequence[str], utterances: dict[str, list[Utterance]], folder: Path
) -> None:
    """Synthesise the utterances of some voices in a new process, and write a file for each."""
    spoken = [each for voice in voices for each in utterances[voice]]
    clips, rate_hz = synthesize(spoken, folder.parent)
    draw = np.random.default_rng([_SEED, sum(voices[0].encode())])
    names = [_name(voice, number) for voice in voices for number in range(len(utterances[voice]))]
    for name, clip in zip(names, clips, strict=True):
        samples_S = resample(clip.astype(np.float32) / np.float32(32768), rate_hz, SAMPLE_RATE_HZ)
        rms = float(np.sqrt(np.square(samples_S).mean()))
        level = 10 ** (draw.uniform(*_LEVEL_DB) / 20)
        around = (round(draw.uniform(0.05, 0.3) * SAMPLE_RATE_HZ) for _ in range(2))
        padded_S = np.pad(samples_S * (level / max(rms, 1e-6)), tuple(around))
        noise_S = draw.standard_normal(len(padded_S)).astype(np.float32)
        padded_S += np.float32(level * 10 ** (draw.uniform(-50, -25) / 20)) * noise_S
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, to_int16(padded_S), SAMPLE_RATE_HZ)
