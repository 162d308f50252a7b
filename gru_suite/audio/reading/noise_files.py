"""Files of synthetic background noise, for data without recorded noise."""

import os
from pathlib import Path

import soundfile

from gru_suite.audio.noise import COLORS, make_noise
from gru_suite.audio.reading.sound_files import to_int16
from gru_suite.files import make_folder

_SECONDS = 30.0


def write_noise(folder: Path, sample_rate_hz: int) -> list[Path]:
    """Write synthetic noise into ``folder``, unless it is there; return a file per colour."""
    make_folder(folder)
    paths = []
    for seed, color in enumerate(COLORS):
        path = folder / f"{color}_noise_{sample_rate_hz}.wav"
        if not path.is_file():
            noise_S = make_noise(color, _SECONDS, sample_rate_hz, seed)
            temporary = path.with_name(f".{os.getpid()}-{path.name}")
            soundfile.write(temporary, to_int16(noise_S), sample_rate_hz)
            os.replace(temporary, path)
        paths.append(path)
    return paths
