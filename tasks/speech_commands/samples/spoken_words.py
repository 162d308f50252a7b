"""Embedded data: command words synthesised by espeak-ng in many voices, on first use.

The speech is synthetic: scores on it do not tell how a model does on human voices. The layout is
that of Speech Commands, so it is read, split and decoded like real recordings.

Shapes: S samples.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from gru_suite.data.cache import make_once
from gru_suite.errors import UserError
from gru_suite.files import make_folder

from ..batches.noise import COLORS, make_noise
from ..reading.corpus import LISTS, NOISE_FOLDER
from ..reading.labels import CORE_WORDS, V1_WORDS
from ..reading.sound_files import resample, to_int16
from .espeak import Utterance, installed

SAMPLE_RATE_HZ = 16000
# To be increased when the same utterances are synthesised to different samples.
_VERSION = 2
_SEED = 2018
TAKES = 4
OTHER_WORDS = (*V1_WORDS[len(CORE_WORDS) :], "backward", "follow", "forward", "learn", "visual")
# Other words per voice: enough for the unknown words of the 12-label sets.
_OTHERS_PER_VOICE = 6
ACCENTS = (
    *("en", "en-us", "en-029", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan"),
    *("en-gb-x-gbcwmd", "en-us-nyc"),
)
# Without whispers, robots and demons, and one of each group of similar voices.
VOICES = (
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo"),
    *("Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Reed", "adam", "anika"),
    *("announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed"),
    *("edward", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave", "ian", "iven"),
    *("john", "kaukovalta", "klatt3", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob"),
    *("robert", "sandro", "shelby", "steph", "travis", "victor", "zac"),
)
# Voices per process; fixed, so that the samples are the same on every machine.
_VOICES_PER_SHARD = 6
_NOISE_SECONDS = 30.0


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


def write_noise(folder: Path, sample_rate_hz: int) -> list[Path]:
    """Write synthetic noise into ``folder``, unless it is there; return a file per colour."""
    make_folder(folder)
    paths = []
    for seed, color in enumerate(COLORS):
        path = folder / f"{color}_noise_{sample_rate_hz}.wav"
        if not path.is_file():
            noise_S = make_noise(color, _NOISE_SECONDS, sample_rate_hz, seed)
            temporary = path.with_name(f".{os.getpid()}-{path.name}")
            soundfile.write(temporary, to_int16(noise_S), sample_rate_hz)
            os.replace(temporary, path)
        paths.append(path)
    return paths


def part_of_voice() -> dict[str, str]:
    """Return the part of each voice; no voice is in two parts."""
    order = sorted(VOICES)
    random.Random(_SEED).shuffle(order)
    tenth = round(0.15 * len(order))
    parts = ["test"] * tenth + ["val"] * tenth + ["train"] * (len(order) - 2 * tenth)
    return dict(zip(order, parts, strict=True))


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
    clips, rate_hz = speak(utterances, scratch)
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


def speak(utterances: Sequence[Utterance], scratch: Path) -> tuple[list[NDArray[np.int16]], int]:
    """Synthesise utterances in a new process; the same sequence gives the same samples.

    Args:
        utterances: words and parameters.
        scratch: folder for temporary files.

    Returns:
        The clips, each of shape (S,), and their rate in Hz.

    Raises:
        UserError: the speech library failed.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    request, target = folder / "request.json", folder / "spoken.npz"
    request.write_text(json.dumps(utterances), "utf-8")
    module = f"{__package__}.espeak"
    done = subprocess.run(
        [sys.executable, "-m", module, str(request), str(target)], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(
            f"the speech library espeak-ng failed: {reason}; reinstall it with "
            'pip install --force-reinstall "gru-suite[samples]"'
        )
    with np.load(target) as content:
        clips = np.split(content["samples"], np.cumsum(content["lengths"])[:-1])
        rate_hz = int(content["rate"])
    shutil.rmtree(folder)
    return clips, rate_hz


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
