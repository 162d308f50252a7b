"""Memory of a process that reads ten times the data: it does not grow."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from video_files import moving, write_video

# Measured growth is a few MB; one copy of the tenfold data would be far more.
ROOM_MB = 40

pytestmark = pytest.mark.slow

READ = """
import json, resource, sys
from itertools import islice
kind, path, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if kind == "forecasting":
    from gru_suite.tasks.forecasting.data import ForecastingDataModule as Module
elif kind == "audio":
    from gru_suite.tasks.speech_commands.shards import AudioShardsModule as Module
else:
    from gru_suite.tasks.video_action.shards import VideoShardsModule as Module
data = Module(path=path, **options)
data.prepare_data()
data.setup("fit")
count = sum(len(batch[0]) for batch in islice(data.loader("train", shuffle=True), 400))
print(json.dumps([count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""


def peak_mb(kind: str, path: Path, **options: object) -> tuple[int, float]:
    """Return the items read, and the peak of the resident memory of a new process."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(path.parent / "cache"),
    }
    words = [sys.executable, "-c", READ, kind, str(path), json.dumps(options)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, peak = json.loads(done.stdout.splitlines()[-1])
    return int(count), float(peak)


def check(small: tuple[int, float], large: tuple[int, float]) -> None:
    print(f"{small[0]} items: {small[1]:.0f} MB; {large[0]} items: {large[1]:.0f} MB")
    assert large[1] < small[1] + ROOM_MB


def test_parquet_files(tmp_path: Path) -> None:
    def write(folder: Path, files: int, series: int = 50, length: int = 10_000) -> Path:
        folder.mkdir()
        hours = np.datetime64("2020-01-01", "ns") + np.arange(length) * np.timedelta64(1, "h")
        draw = np.random.default_rng(0)
        for file in range(files):
            names = [f"{file}-{number}" for number in range(series)]
            size = series * length
            table = {
                "id": pa.DictionaryArray.from_arrays(np.repeat(np.arange(series), length), names),
                "time": np.tile(hours, series),
                "value": draw.normal(size=size).astype("f4"),
            }
            pq.write_table(pa.table(table), folder / f"{file}.parquet")
        return folder

    # 0.5 and 5 million rows: the second takes hundreds of MB as a table.
    roles = {"id_column": "id", "time_column": "time", "target": "value", "eval_stride": 1000}
    sizes = {"lookback": 96, "horizon": 24}
    found = [
        peak_mb("forecasting", write(tmp_path / str(files), files), **roles, **sizes)
        for files in (1, 10)
    ]
    check(*found)


def write_shards(folder: Path, contents: list[bytes], suffix: str, shards: int, count: int) -> Path:
    """Write shards of ``count`` members with the given contents in turn."""
    folder.mkdir()
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as archive:
            for number in range(count):
                kind = number % len(contents)
                info = tarfile.TarInfo(f"class{kind}/{number}{suffix}")
                info.size = len(contents[kind])
                archive.addfile(info, io.BytesIO(contents[kind]))
    return folder


def test_recordings_in_shards(tmp_path: Path) -> None:
    contents = []
    for number in range(2):
        file = io.BytesIO()
        samples = np.random.default_rng(number).normal(0, 0.1, 16000)
        soundfile.write(file, samples, 16000, format="WAV")
        contents.append(file.getvalue())
    # 32 KB each: 25 and 256 MB.
    options = {"num_workers": 0, "buffer_size": 200, "batch_size": 32}
    found = [
        peak_mb("audio", write_shards(tmp_path / str(n), contents, ".wav", n, 200), **options)
        for n in (4, 40)
    ]
    check(*found)


def test_videos_in_shards(tmp_path: Path) -> None:
    contents = [
        write_video(tmp_path / f"{seed}.avi", moving(40, seed, 120, 160)).read_bytes()
        for seed in range(2)
    ]
    options = {"num_workers": 0, "buffer_size": 20, "batch_size": 8}
    found = [
        peak_mb("video", write_shards(tmp_path / str(n), contents, ".avi", n, 10), **options)
        for n in (4, 40)
    ]
    check(*found)
