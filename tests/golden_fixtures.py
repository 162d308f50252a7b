"""Small data sets, made anew for each test, and tasks on them, for tests/golden."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from video_files import moving, write_video

from gru_suite.testing import build, compose_config

TASKS = (
    "forecasting",
    "sentiment",
    "speech_commands",
    "summarization",
    "tracking",
    "transcription",
    "translation",
    "video_action",
)
CELLS = ("gru", "lstm", "rnn", "min_gru")
SEED, STEPS = 3, 20
# Crops begin at whole pixels: one day the last bit of a box moves one, and all losses after it.
TRACKING_STEPS = 8
WORDS = "a fine film with good parts and some dull bad ones which nobody will like at all".split()


def series(num_rows: int = 400) -> pd.DataFrame:
    """Return an hourly table of two targets and a covariate, with a gap."""
    draw, hour = np.random.default_rng(SEED), np.arange(num_rows)
    level = 5 + 2 * np.sin(hour * np.pi / 12)
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=num_rows, freq="h"),
            "load": level + draw.normal(0, 0.3, num_rows),
            "wind": np.cumsum(draw.normal(0, 0.2, num_rows)),
            "sun": np.maximum(np.sin(hour * np.pi / 12), 0),
        }
    )
    frame.loc[100:103, "load"] = np.nan
    return frame


def texts(count: int = 120) -> pd.DataFrame:
    """Return texts of two labels; the words good and bad tell them apart."""
    draw, rows = np.random.default_rng(SEED), []
    for number in range(count):
        words = list(draw.choice(WORDS, int(draw.integers(3, 12))))
        words.append(("bad", "good")[number % 2])
        rows.append({"text": " ".join(words) + f" {number}.", "label": ("no", "yes")[number % 2]})
    return pd.DataFrame(rows)


def tone(frequency_hz: float, num_samples: int, seed: int) -> np.ndarray:
    """Return a tone in noise at 4,000 samples a second, full scale 1.0."""
    draw = np.random.default_rng(seed)
    phase = 2 * np.pi * frequency_hz * np.arange(num_samples) / 4000
    return (0.3 * np.sin(phase) + draw.normal(0, 0.05, num_samples)).astype(np.float32)


def write_tone(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(4000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def make_forecasting(folder: Path) -> list[str]:
    series().to_csv(folder / "series.csv", index=False)
    return [
        *("data=csv", f"data.path={folder / 'series.csv'}", "data.time_column=time"),
        *("data.target=[load,wind]", "data.past_covariates=[sun]"),
        *("data.lookback=48", "data.horizon=12", "data.batch_size=16"),
    ]


def make_sentiment(folder: Path) -> list[str]:
    texts().to_csv(folder / "texts.csv", index=False)
    return [
        *("data=text_table", f"data.path={folder / 'texts.csv'}", "data.min_count=1"),
        *("task.embedding_size=8", "task.wide_buckets=500", "data.batch_size=16"),
    ]


def make_speech_commands(folder: Path) -> list[str]:
    for number in range(30):
        name, frequency_hz = (("low", 300), ("mid", 700), ("high", 1500))[number % 3]
        samples = tone(frequency_hz, 2000 + 50 * number, number)
        write_tone(folder / "sounds" / name / f"{number}.wav", samples)
    return [
        *("data=audio_folders", f"data.path={folder / 'sounds'}", "data.sample_rate_hz=4000"),
        *(f"data.cache_dir={folder / 'cache'}", "data.batch_size=8", "task.features.num_mels=12"),
        *("task.front_end.channels=[4,6]", "task.front_end.output_size=8"),
    ]


def pairs(count: int = 120) -> pd.DataFrame:
    """Return texts with their words in reverse order."""
    sources = texts(count)["text"]
    return pd.DataFrame({"source": sources, "target": [" ".join(s.split()[::-1]) for s in sources]})


def documents(count: int = 60) -> pd.DataFrame:
    """Return documents of four sentences, the summary made of words of one of them."""
    draw, rows = np.random.default_rng(SEED), []
    for number in range(count):
        sentences = [" ".join(draw.choice(WORDS, 5)).capitalize() + "." for _ in range(4)]
        rows.append({"document": " ".join(sentences), "summary": sentences[number % 4]})
    return pd.DataFrame(rows)


def make_summarization(folder: Path) -> list[str]:
    documents().to_csv(folder / "documents.csv", index=False)
    return [
        *("data=documents", f"data.path={folder / 'documents.csv'}", "data.min_count=1"),
        *("data.char_ngrams=null", "data.batch_size=8", "task.embedding_size=8"),
        *("task.word_hidden_size=4", "task.sentence_size=8"),
    ]


def make_tracking(folder: Path) -> list[str]:
    rows = ["video,frame,object,x,y,width,height"]
    for number in range(12):
        frames = moving(12, number, 32, 40)
        write_video(folder / f"{number}.mkv", frames, "ffv1", pixels="bgr0")
        rows += [
            f"{number}.mkv,{frame},a,{8 + frame},{6 + frame // 2},12,10" for frame in range(12)
        ]
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return [
        *("data=video_boxes", f"data.path={folder / 'boxes.csv'}", "data.num_frames=8"),
        *("data.batch_size=4", f"data.cache_dir={folder / 'cache'}", "task.crop_size=16"),
        *("task.channels=[4,6,8]", "task.feature_size=8"),
    ]


def make_transcription(folder: Path) -> list[str]:
    rows = []
    for number in range(40):
        name, words = f"{number}.wav", ("low", "high", "low high", "high low")[number % 4]
        tones = [
            tone(300 if word == "low" else 900, 2000 + 50 * number, number)
            for word in words.split()
        ]
        write_tone(folder / name, np.concatenate(tones))
        rows.append({"path": name, "text": words})
    pd.DataFrame(rows).to_csv(folder / "transcripts.csv", index=False)
    return [
        *("data=transcripts", f"data.path={folder / 'transcripts.csv'}", "data.batch_size=8"),
        *("data.sample_rate_hz=4000", f"data.cache_dir={folder / 'cache'}"),
        *("task.features.num_mels=12", "task.front_end.channels=[4,6]"),
        "task.front_end.output_size=8",
        # What layers drop is drawn in another order by the kernel than by torch.
        "backbone.dropout=0",
    ]


def make_translation(folder: Path) -> list[str]:
    pairs().to_csv(folder / "pairs.csv", index=False)
    return [
        *("data=text_pairs", f"data.path={folder / 'pairs.csv'}", "data.min_count=1"),
        *("data.vocabulary_size=100", "data.batch_size=16", "task.embedding_size=8"),
        "task.decoder_layers=2",
    ]


def make_video_action(folder: Path) -> list[str]:
    for number in range(20):
        name, frames = ("rest", "move")[number % 2], moving(10, number, 32, 40)
        if name == "rest":
            frames = np.repeat(frames[:1], 10, 0)
        write_video(folder / "videos" / name / f"{number}.mkv", frames, "ffv1", pixels="bgr0")
    return [
        *("data=video_folders", f"data.path={folder / 'videos'}", "data.size=[16,20]"),
        *("data.margin=4", "data.num_frames=4", "data.test_clips=1", "data.batch_size=4"),
        *(f"data.cache_dir={folder / 'cache'}", "task.encoder.channels=[4,8]"),
    ]


MAKERS: dict[str, Callable[[Path], list[str]]] = {
    "forecasting": make_forecasting,
    "sentiment": make_sentiment,
    "speech_commands": make_speech_commands,
    "summarization": make_summarization,
    "tracking": make_tracking,
    "transcription": make_transcription,
    "translation": make_translation,
    "video_action": make_video_action,
}


def make(name: str, cell: str, folder: Path, *further: str) -> tuple[Any, Any]:
    """Return a task with seeded weights and its data module, set up."""
    words = [f"task={name}", f"backbone={cell}", "backbone.hidden_size=8", *MAKERS[name](folder)]
    cfg = compose_config([*words, f"seed={SEED}", *further])
    torch.manual_seed(SEED)
    return build(cfg)


def losses(name: str, cell: str, folder: Path) -> list[float]:
    """Return the losses of a few Adam steps on one batch, as a run would begin."""
    task, data = make(name, cell, folder)
    task.warm_start(data.train_dataloader(), data.val_dataloader())
    batch = next(iter(data.train_dataloader()))
    if name == "video_action":
        # What decoders make of the last bit differs between versions: frames of their own.
        size = (len(batch.x), int(batch.lengths_B.max()), *batch.x.shape[2:])
        generator = torch.Generator().manual_seed(SEED)
        frames = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
        batch = batch._replace(x=frames)
    torch.manual_seed(SEED)
    num_steps = TRACKING_STEPS if name == "tracking" else STEPS
    return adam_losses(task.train(), batch, 1e-3, num_steps)


def adam_losses(task: Any, batch: Any, lr: float, num_steps: int = STEPS) -> list[float]:
    """Return the losses of some Adam steps on one batch."""
    optimizer = torch.optim.Adam(task.parameters(), lr=lr)
    found = []
    for _ in range(num_steps):
        loss = task.loss(task(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def raw_inputs(name: str) -> Any:
    """Return what a user of a checkpoint predicts from."""
    if name == "forecasting":
        return series(120)
    if name == "sentiment":
        return ["a good film", "bad, dull parts", "nobody will"]
    if name == "speech_commands":
        return [(tone(frequency_hz, 2500, 99), 4000) for frequency_hz in (320.0, 720.0, 1450.0)]
    return [moving(6, seed, 32, 40) for seed in (50, 51)]


def plain(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)


def keys(node: Any, prefix: str = "") -> list[str]:
    """Return the dotted keys of a config."""
    if not isinstance(node, dict) or not node:
        return [prefix]
    return [key for name in node for key in keys(node[name], f"{prefix}.{name}".lstrip("."))]
