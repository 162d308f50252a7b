"""Small data of each task, and command lines for it."""

from pathlib import Path

import numpy as np
import soundfile
from video_files import write_video

# Overrides for less of the embedded data than a run takes.
LESS_EMBEDDED = {
    "translation": ["data.count=2000"],
    "summarization": ["data.max_documents=200"],
    "transcription": ["data.count=100"],
    "tracking": ["data.count=12", "data.num_frames=12", "data.batch_size=4"],
}


def small_runs(root: Path) -> dict[str, list[str]]:
    """Write small data of each task and return a command line that trains on it in a moment."""
    draw = np.random.default_rng(0)
    hours = np.arange(900)
    values = np.sin(hours / 4) + 0.1 * draw.standard_normal(900)
    start = np.datetime64("2024-01-01T00:00")
    times = start + hours.astype("timedelta64[h]")
    lines = [f"{time},{value:.4f}" for time, value in zip(times, values, strict=True)]
    (root / "series.csv").write_text("time,value\n" + "\n".join(lines) + "\n")
    words = (("good", "fine", "great"), ("bad", "poor", "awful"))
    rows = []
    for number in range(240):
        label = number % 2
        extra = " ".join(f"w{draw.integers(60)}" for _ in range(int(draw.integers(3, 12))))
        rows.append(f"{words[label][number % 3]} {extra},{'pos' if label == 0 else 'neg'}")
    (root / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    for label, pitch in (("low", 200), ("high", 900)):
        folder = root / "sounds" / label
        folder.mkdir(parents=True)
        for number in range(24):
            wave = np.sin(2 * np.pi * pitch * (1 + 0.01 * number) * np.arange(8000) / 16000)
            noise = 0.3 * draw.standard_normal(8000)
            soundfile.write(folder / f"{number}.wav", 0.3 * wave + 0.1 * noise, 16000)
    for label in ("left", "right"):
        folder = root / "videos" / label
        folder.mkdir(parents=True)
        for number in range(12):
            frames = draw.integers(0, 60, (12, 32, 32, 3), dtype=np.uint8)
            for step in range(12):
                place = 2 * step if label == "right" else 28 - 2 * step
                frames[step, 8:24, max(place, 0) : place + 4] = 230
            write_video(folder / f"{number}.mp4", frames)
    cache = f"data.cache_dir={root / 'cache'}"
    return {
        "forecasting": [
            "task=forecasting",
            "data=csv",
            f"data.path={root / 'series.csv'}",
            "data.time_column=time",
            "data.target=[value]",
            "data.lookback=48",
            "data.horizon=12",
            "scheduler=plateau",
            "scheduler.patience=0",
        ],
        "sentiment": [
            "task=sentiment",
            "data=text_table",
            f"data.path={root / 'texts.csv'}",
            "data.batch_size=16",
        ],
        "speech_commands": [
            "task=speech_commands",
            "data=audio_folders",
            f"data.path={root / 'sounds'}",
            "data.batch_size=8",
            cache,
        ],
        "translation": [
            "task=translation",
            "data=text_pairs",
            f"data.path={root / 'texts.csv'}",
            "data.source=text",
            "data.target=label",
            "data.vocabulary_size=200",
            "data.batch_size=16",
            "task.embedding_size=16",
        ],
        "video_action": [
            "task=video_action",
            "data=video_folders",
            f"data.path={root / 'videos'}",
            "data.batch_size=4",
            cache,
        ],
    }
