"""Decoding UCF101 clips into the cache against plain PyAV, in turns, and opening the cache again.

Plain PyAV is one process that turns every frame of the same files into an RGB array. Frames per
second count the frames of the files, on both sides. They and their ratio (above 1: the cache is
faster) are in the extra_info of each benchmark. No time is asserted.
"""

import shutil
import time
from pathlib import Path
from statistics import median

import av
import pytest

from gru_suite.tasks.video_action.data import VideoDataModule

ROUNDS = 3

pytestmark = pytest.mark.slow


@pytest.fixture
def clips(shared_data: Path) -> Path:
    folder = shared_data / "ucf101"
    if not folder.is_dir():
        pytest.skip(f"needs real clips: no folder {folder}")
    return folder


def plain_decoding(root: Path) -> int:
    """Return the number of frames."""
    count = 0
    for path in sorted(root.rglob("*.avi")):
        with av.open(path) as container:
            for frame in container.decode(video=0):
                frame.to_ndarray(format="rgb24")
                count += 1
    return count


def first_batch(root: Path, cache: Path) -> None:
    data = VideoDataModule(str(root), cache_dir=str(cache))
    data.prepare_data()
    data.setup("fit")
    next(iter(data.train_dataloader()))


def test_decoding_into_the_cache_against_plain_pyav(benchmark, clips, tmp_path):
    seconds: dict[str, list[float]] = {"cache": [], "plain": [], "again": []}
    num_frames = plain_decoding(clips)
    cache = tmp_path / "cache"

    def both() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        for name, run in (
            ("cache", lambda: first_batch(clips, cache)),
            ("plain", lambda: plain_decoding(clips)),
            ("again", lambda: first_batch(clips, cache)),
        ):
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)

    benchmark.pedantic(both, rounds=ROUNDS)
    medians = {name: median(values) for name, values in seconds.items()}
    benchmark.extra_info["frames_per_second"] = num_frames / medians["cache"]
    benchmark.extra_info["plain_frames_per_second"] = num_frames / medians["plain"]
    benchmark.extra_info["ratio"] = medians["plain"] / medians["cache"]
    benchmark.extra_info["second_run_seconds"] = medians["again"]
