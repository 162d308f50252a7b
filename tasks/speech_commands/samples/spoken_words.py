"""Embedded data: command words synthesised by espeak-ng in many voices, on first use.

The speech is synthetic: scores on it do not tell how a model does on human voices. The layout is
that of Speech Commands, so it is read, split and decoded like real recordings.

Shapes: S samples.
"""

import hashlib
import json
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from gru_suite.audio.noise import COLORS, make_noise
from gru_suite.audio.reading.corpus import LISTS, NOISE_FOLDER
from gru_suite.audio.reading.noise_files import write_noise
from gru_suite.audio.reading.sound_files import resample, to_int16
from gru_suite.audio.synthesis.espeak import Utterance, installed, synthesize
from gru_suite.audio.synthesis.voices import ACCENTS, VOICES, part_of_voice
from gru_suite.data.cache import make_once
from gru_suite.errors import UserError

from ..reading.labels import CORE_WORDS, V1_WORDS

SAMPLE_RATE_HZ = 16000
# To be increased when the same utterances are synthesised to different samples.
_VERSION = 2
_SEED = 2018
TAKES = 4
OTHER_WORDS = (*V1_WORDS[len(CORE_WORDS) :], "backward", "follow", "forward", "learn", "visual")
# Other words per voice: enough for the unknown words of the 12-label sets.
_OTHERS_PER_VOICE = 6
# Voices per process; fixed, so that the samples are the same on every machine.
_VOICES_PER_SHARD = 6


def spoken_words(cache: Path) -> Path:
    """Return the folder of spoken words; synthesise them on first use.

    Args:
        cache: parent folder.

    Raises:
        UserError: the speech library is not installed or fails, or the folder cannot be written.
    """
    folder = cache / f"spoken_words-{_recipe_key()}"
    if not folder.is_dir() and not installed():
        raise UserError(
            "the spoken sample words need the package espeakng-loader: "
            'pip install "gru-suite[samples]"; or use recordings: data=speech_commands data.path='
        )
    return make_once(folder, _write_data_set)


def _write_data_set(folder: Path) -> None:
    _write_words(folder, folder.parent)
    write_noise(folder / NOISE_FOLDER, SAMPLE_RATE_HZ)


def utterances_of(voice: str) -> list[Utterance]:
    """Return the utterances of a voice: every core word several times, some other words once."""
    draw = random.Random(f"{_SEED} {voice}")
    words = [*CORE_WORDS] * TAKES + draw.sample(OTHER_WORDS, _OTHERS_PER_VOICE)
    return [
        Utterance(
            word,
            accent=draw.choice(ACCENTS),
            speaker=voice,
            words_per_minute=draw.randint(120, 220),
            pitch=draw.randint(30, 70),
            pitch_range=draw.randint(30, 70),
        )
        for word in words
    ]


def _recipe_key() -> str:
    """Return a key of everything that determines the samples."""
    utterances = [[voice, part, utterances_of(voice)] for voice, part in part_of_voice().items()]
    recipe = json.dumps([_VERSION, _VOICES_PER_SHARD, utterances])
    return hashlib.blake2b(recipe.encode(), digest_size=8).hexdigest()


def _write_words(folder: Path, scratch: Path) -> None:
    voices = sorted(VOICES)
    shards = [voices[i : i + _VOICES_PER_SHARD] for i in range(0, len(voices), _VOICES_PER_SHARD)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        names = pool.map(lambda shard: _write_shard(shard, folder, scratch), shards)
        written = [name for shard in names for name in shard]
    parts = part_of_voice()
    for part, file_name in LISTS.items():
        listed = [n for n in written if parts[n.partition("/")[2].partition("_nohash_")[0]] == part]
        (folder / file_name).write_text("".join(f"{name}\n" for name in listed), "utf-8")


def _write_shard(voices: Sequence[str], folder: Path, scratch: Path) -> list[str]:
    """Synthesise the utterances of some voices in a new process, and write a file for each."""
    utterances = [utterance for voice in voices for utterance in utterances_of(voice)]
    clips, rate_hz = synthesize(utterances, scratch)
    draw = np.random.default_rng([_SEED, sum(voices[0].encode())])
    takes: dict[tuple[str, str], int] = defaultdict(int)
    names = []
    for utterance, clip in zip(utterances, clips, strict=True):
        key = utterance.word, utterance.speaker
        name = f"{utterance.word}/{utterance.speaker}_nohash_{takes[key]}.wav"
        takes[key] += 1
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        spoken_S = resample(clip.astype(np.float32) / np.float32(32768), rate_hz, SAMPLE_RATE_HZ)
        soundfile.write(path, to_int16(record(spoken_S, draw)), SAMPLE_RATE_HZ)
        names.append(name)
    return names


def record(spoken_S: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Return a word at a random position and level in a second of faint noise."""
    clip_S = np.zeros(SAMPLE_RATE_HZ, np.float32)
    spoken_S = spoken_S[: len(clip_S)]
    start = draw.integers(len(clip_S) - len(spoken_S) + 1)
    rms = float(np.sqrt(np.square(spoken_S).mean()))
    level = 10 ** (draw.uniform(-35, -18) / 20)
    clip_S[start : start + len(spoken_S)] = level / max(rms, 1e-6) * spoken_S
    color = list(COLORS)[draw.integers(len(COLORS))]
    noise_S = make_noise(color, 1.0, SAMPLE_RATE_HZ, int(draw.integers(2**31)))
    faint = level * 10 ** (draw.uniform(-50, -20) / 20)
    return clip_S + faint / float(noise_S.std()) * noise_S
