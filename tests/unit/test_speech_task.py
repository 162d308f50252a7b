import copy
import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import soundfile
import torch
from trainers import quiet_trainer

from gru_suite.audio.conv_front_end import ConvFrontEnd
from gru_suite.audio.spectral_features import SpectralFeatures
from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch
from gru_suite.tasks.speech_commands.batches.audio_dataset import AudioBatch
from gru_suite.tasks.speech_commands.data import AudioDataModule
from gru_suite.tasks.speech_commands.inference.timeline import Detection, find_events, smooth
from gru_suite.tasks.speech_commands.task import SpeechCommandsTask
from gru_suite.tasks.speech_commands.training.metrics import SpeechMetrics
from gru_suite.testing.contract import build, check_task, compose_config

RATE = 8000
LABELS = ["low", "high", "_silence_"]
SCHEMA = {
    "labels": LABELS,
    "class_counts": [20, 20, 4],
    "sample_rate_hz": RATE,
    "clip_samples": 4000,
    "max_samples": 4000,
}
SMALL: dict[str, Any] = {
    "backbone": {"cell": "gru", "hidden_size": 16, "bidirectional": True},
    "schema": SCHEMA,
    "front_end": {"channels": [4, 8], "time_strides": [1, 2], "output_size": 16},
}


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def batch(lengths: list[int], seed: int = 0) -> AudioBatch:
    generator = torch.Generator().manual_seed(seed)
    lengths_B = torch.tensor(lengths)
    x_BS = 0.1 * torch.randn(len(lengths), max(lengths), generator=generator)
    x_BS *= torch.arange(max(lengths)) < lengths_B[:, None]
    labels_B = torch.arange(len(lengths)) % len(LABELS)
    return AudioBatch(x_BS, lengths_B, labels_B, labels_B, torch.empty(0, 0), torch.empty(0))


def trained_statistics(task: SpeechCommandsTask) -> SpeechCommandsTask:
    """Give the batch norms statistics other than those that change nothing."""
    task.train()
    for seed in range(3):
        task(batch([4000, 3000, 3500, 2000], seed))
    return task.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    for number, label in enumerate(("low", "high")):
        (root / label).mkdir()
        for clip in range(12):
            sound = tone(300 * (1 + 2 * number) + 5 * clip, 0.4 + 0.01 * clip)
            soundfile.write(root / label / f"s{clip % 4}_{clip}.wav", sound, RATE)
    return root


def overrides(folder: Path, cache: Path) -> list[str]:
    return [
        "data=audio_folders",
        f"data.path={folder}",
        f"data.cache_dir={cache}",
        f"data.sample_rate_hz={RATE}",
        "task.front_end.channels=[4,8]",
        "task.front_end.output_size=16",
    ]


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SpeechCommandsTask:
    """Return a task that tells low tones from high ones."""
    torch.manual_seed(0)
    cache = tmp_path_factory.mktemp("cache")
    data = AudioDataModule(
        str(folder), "folders", ["low", "high"], sample_rate_hz=RATE, batch_size=8,
        augment={"time_shift_ms": 150, "noise_probability": 0.9, "noise_snr_db": [10, 60]},
        cache_dir=str(cache),
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    options = {**SMALL, "schema": data.schema(), "optimizer": {"name": "adam", "lr": 0.01}}
    task = SpeechCommandsTask(**options)
    trainer = quiet_trainer(max_epochs=15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(task, data)
        scores = trainer.validate(task, data, verbose=False)[0]
    assert scores["val/accuracy"] == 1.0
    return task.eval()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_task_keeps_the_contract(folder: Path, tmp_path: Path, cell: str) -> None:
    check_task("speech_commands", cell, overrides(folder, tmp_path))


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "mean+max"},
        {"pooling": "last", "causal": True, "backbone": {"hidden_size": 16}},
        {"features": {"kind": "mfcc", "num_mels": 24, "num_coefficients": 13}},
        {"front_end": {"channels": [4], "time_strides": [4], "output_size": 16}},
        {"class_weights": True, "label_smoothing": 0.1},
    ],
)
def test_options_build_networks_that_train(options: dict[str, Any]) -> None:
    task = SpeechCommandsTask(**{**SMALL, **options})
    loss = task.loss(task(batch([4000, 100, 2000])), batch([4000, 100, 2000]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in task.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"causal": True}, r"backward pass would look ahead; set backbone\.bidirectional=false"),
        ({"features": {"hop": 10}}, r"task\.features\.hop: no such option; did you mean 'hop_ms'"),
        ({"features": {"sample_rate_hz": 1}}, r"task\.features\.sample_rate_hz: no such option"),
        ({"front_end": {"channels": [4], "time_strides": [1, 2]}}, r"needs 1 numbers from 1 to 5"),
        ({"front_end": {"channels": [], "time_strides": []}}, r"at least one number above 0"),
        ({"spec_augment": {"time_masks": -1}}, r"task\.spec_augment\.time_masks=-1: needs"),
        ({"detection": {"threshold": 2}}, r"detection\.threshold=2: needs a number from 0 to 1"),
        ({"pooling": "best"}, r"task\.pooling=best: choose one of"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SpeechCommandsTask(**{**SMALL, **options})


@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_no_answer(causal: bool) -> None:
    backbone = {"hidden_size": 16, "bidirectional": not causal}
    task = trained_statistics(
        SpeechCommandsTask(**{**SMALL, "causal": causal, "backbone": backbone})
    )
    whole = batch([4000, 1234, 80, 1])
    together_BK = task(whole)
    for row, length in enumerate(whole.lengths_B.tolist()):
        alone = SequenceBatch(
            whole.x[row : row + 1, :length], whole.lengths_B[row : row + 1], whole.labels_B[:1]
        )
        torch.testing.assert_close(task(alone), together_BK[row : row + 1], rtol=1e-4, atol=1e-5)


def test_nothing_looks_ahead_in_the_streaming_experiment(tmp_path: Path) -> None:
    cfg = compose_config(["experiment=speech_streaming", "data.path=none"])
    options = {k: v for k, v in cfg.task.items() if not k.startswith("_")}
    schema = {**SCHEMA, "sample_rate_hz": 16000, "labels": [f"w{i}" for i in range(35)]}
    schema["class_counts"] = [10] * 35
    plain = {k: v if isinstance(v, str | int | float) else dict(v) for k, v in options.items()}
    task = SpeechCommandsTask(dict(cfg.backbone), schema, **plain)
    model = task.model
    assert model.num_parameters < 500_000
    trained_statistics(task)
    sound = batch([16000])
    whole_BTF, _ = model.encode(sound)
    whole_BTH, _ = model.backbone(whole_BTF)
    half_BTF, lengths_B = model.encode(
        sound._replace(x=sound.x[:, :8000], lengths_B=torch.tensor([8000]))
    )
    half_BTH, _ = model.backbone(half_BTF, lengths_B)
    assert half_BTH.size(1) == whole_BTH.size(1) // 2
    torch.testing.assert_close(half_BTH, whole_BTH[:, : half_BTH.size(1)])


def test_groups_of_options_have_their_defaults_in_the_code_too() -> None:
    cfg = compose_config(["task=speech_commands"])
    targets = {"features": SpectralFeatures, "front_end": ConvFrontEnd, "detection": Detection}
    for name, target in targets.items():
        signature = inspect.signature(target).parameters
        for key, value in dict(cfg.task[name]).items():
            if key == "level":
                # Checkpoints of before do not have this key, and are not changed.
                continue
            default = signature[key].default
            assert value == (list(default) if isinstance(default, tuple) else default), key
        given = {k for k, p in signature.items() if p.default is not p.empty} - {"causal"}
        assert given == set(cfg.task[name])
    SpeechCommandsTask({}, SCHEMA)


def test_every_shipped_experiment_builds(folder: Path, tmp_path: Path) -> None:
    for name in ("speech_core10", "speech_12", "speech_streaming"):
        cfg = compose_config([f"experiment={name}", *overrides(folder, tmp_path)[1:]])
        assert cfg.data.source == "speech_commands"
        cfg.data.source, cfg.data.labels = "folders", "all"
        task, data = build(cfg)
        assert task(next(iter(data.test_dataloader()))).shape[1] == 2


# Noise and speakers


def test_accuracy_in_noise_stands_beside_the_clean_one(
    trained: SpeechCommandsTask, folder: Path, tmp_path: Path
) -> None:
    data = AudioDataModule(
        str(folder), "folders", "all", snr_db=[40, -40], cache_dir=str(tmp_path),
        schema=trained.model.schema,
    )  # fmt: skip
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    task = copy.deepcopy(trained)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = trainer.test(task, data, verbose=False)[0]
    assert scores["test/accuracy"] == scores["test/accuracy_snr_40"] == 1.0
    assert scores["test/accuracy_snr_-40"] < 1.0
    assert list(task.better)[-2:] == ["accuracy_snr_40", "accuracy_snr_-40"]
    assert "accuracy_snr_40" not in SpeechCommandsTask.better


def test_speakers_are_compared_by_their_accuracy() -> None:
    metrics = SpeechMetrics(2)
    right = torch.tensor([[5.0, 0.0]])
    for speaker, num_right in ((0, 10), (1, 5), (2, 0)):
        for clip in range(10):
            label = torch.tensor([0 if clip < num_right else 1])
            metrics.update(right, label, torch.tensor([speaker]))
    metrics.update(right.repeat(4, 1), torch.tensor([1, 1, 1, 1]), torch.tensor([7, 7, -1, -1]))
    values = metrics.compute()
    assert metrics.speaker_accuracy().tolist() == [1.0, 0.5, 0.0]
    assert values["speaker_std"] == pytest.approx(np.std([1, 0.5, 0]))
    assert values["speaker_worst"] == pytest.approx(0.1)
    assert values["accuracy"] == pytest.approx(15 / 34)


def test_without_speakers_their_figures_are_no_numbers() -> None:
    metrics = SpeechMetrics(2)
    metrics.update(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    assert metrics.compute()["speaker_std"].isnan()
    metrics.update(torch.zeros(9, 2), torch.zeros(9).long(), torch.full((9,), 3))
    assert metrics.compute()["speaker_worst"].isnan()


# Prediction


def test_prediction_takes_what_a_person_has(
    trained: SpeechCommandsTask, folder: Path, tmp_path: Path
) -> None:
    sound = tone(320, 0.5)
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(320, 0.5, 16000), 16000)
    for raw in (path, str(path), [path], sound, torch.from_numpy(sound)):
        assert trained.predict(raw).label == ["low"]
    others = {
        "integers": (sound * 32767).astype(np.int16),
        "stereo": np.stack([sound, sound]),
        "columns": np.stack([sound, sound], axis=1),
        "a pair with its rate": (tone(320, 0.5, 44100), 44100),
    }
    expected_1K = trained.predict(sound).probability_NK
    for name, raw in others.items():
        found_1K = trained.predict(raw).probability_NK
        np.testing.assert_allclose(found_1K, expected_1K, atol=0.05, err_msg=name)


def test_a_folder_gives_a_table(trained: SpeechCommandsTask, folder: Path, tmp_path: Path) -> None:
    written = trained.model.predict_file(folder, tmp_path / "out" / "table.csv")
    assert written == [tmp_path / "out" / "table.csv"]
    table = pd.read_csv(written[0])
    assert list(table) == ["file", "label", "probability_low", "probability_high"]
    assert len(table) == 24
    truth = [Path(name).parent.name for name in table["file"]]
    assert (table["label"] == truth).mean() > 0.9
    assert np.allclose(table.iloc[:, 2:].sum(axis=1), 1, atol=1e-4)


def test_a_bad_file_in_a_folder_is_left_out_and_named(
    trained: SpeechCommandsTask, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", tone(320, 0.5), RATE)
    (tmp_path / "b.wav").touch()
    with pytest.warns(UserWarning, match=r"left out 1 unreadable: b\.wav \(the file is empty\)"):
        assert trained.predict(tmp_path).label == ["low"]


def test_input_that_cannot_be_is_told(trained: SpeechCommandsTask, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.wav: no such file"):
        trained.predict(tmp_path / "none.wav")
    with pytest.raises(UserError, match=r"no such file"):
        trained.model.predict_file(tmp_path / "none", tmp_path / "out.csv")
    with pytest.raises(UserError, match=r"no readable sound file in this folder"):
        trained.predict(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(UserError, match=r"folder: empty\.wav \(the file is empty\)"):
        trained.predict(tmp_path)
    (tmp_path / "a.wav").write_text("text" * 50)
    with pytest.raises(UserError, match=r"a\.wav: not a readable sound file"):
        trained.predict([tmp_path / "a.wav"])
    for samples in (np.empty(0), np.full(9, np.nan), np.zeros((2, 2, 2))):
        with pytest.raises(UserError, match=r"needs finite numbers"):
            trained.predict(samples)


def recording() -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return six seconds of faint noise with four tones in it, and when and which they are."""
    heard = [(0.6, "low"), (2.0, "high"), (3.2, "high"), (4.6, "low")]
    sound = 1e-4 * np.random.default_rng(0).standard_normal(6 * RATE).astype("f4")
    for start, label in heard:
        word = tone(325 if label == "low" else 925, 0.4)
        sound[round(start * RATE) : round(start * RATE) + len(word)] += word
    return sound, heard


def test_a_long_recording_gives_a_timeline_and_a_picture(
    trained: SpeechCommandsTask, tmp_path: Path
) -> None:
    sound, heard = recording()
    soundfile.write(tmp_path / "long.wav", sound, RATE)
    table_path, picture = trained.model.predict_file(tmp_path / "long.wav", tmp_path / "found.csv")
    table = pd.read_csv(table_path)
    assert list(table) == ["start", "end", "label", "score"]
    assert table["label"].tolist() == [label for _, label in heard]
    for row, (start, _) in zip(table.itertuples(), heard, strict=True):
        assert row.start == pytest.approx(start, abs=0.03)
        assert row.end == pytest.approx(start + 0.4, abs=0.03)
    assert picture == tmp_path / "found.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(trained.model.timeline(sound).events) == 4
    assert not trained.model.timeline(sound, {"threshold": 1.0, "smoothing_ms": 800}).events
    with pytest.raises(UserError, match=r"detection\.treshold: no such option"):
        trained.model.timeline(sound, {"treshold": 0.1})


def events(answers: str, **options: float) -> list[tuple[str, float]]:
    """Find events in one answer a window, written as a letter: a, b, s (silence) or - (unsure)."""
    labels = ["a", "b", "_silence_"]
    probability_WK = np.full((len(answers), 3), 0.3, np.float32)
    for window, letter in enumerate(answers):
        if letter != "-":
            probability_WK[window, "abs".index(letter)] = 0.9
    time_W = 1 + np.arange(len(answers)) * 0.1
    quiet_W = np.zeros(len(answers), bool)
    detection = Detection(hop_ms=100, **options)
    found = find_events(probability_WK, quiet_W, labels, time_W, detection)
    return [(event.label, round(float(event.start_s + event.end_s) / 2, 2)) for event in found]


def test_runs_of_one_answer_are_words() -> None:
    assert events("---aaa------bbbb--") == [("a", 1.4), ("b", 2.35)]
    assert events("sssaaasssssssss") == [("a", 1.4)]
    assert events("---a------") == []
    assert events("---a------", shortest_ms=50) == [("a", 1.3)]


def test_close_to_a_word_the_weaker_one_is_dropped() -> None:
    assert events("--aabbbb----") == [("b", 1.55)]
    assert events("--aabbbb----", refractory_ms=0) == [("a", 1.25), ("b", 1.55)]


def test_smoothing_is_a_centred_mean() -> None:
    rows_WK = np.array([[0.0], [3.0], [0.0], [0.0], [6.0]], np.float32)
    assert smooth(rows_WK, 1).ravel().tolist() == [0, 3, 0, 0, 6]
    assert smooth(rows_WK, 3).ravel().tolist() == [1.5, 1, 1, 2, 3]
    assert smooth(rows_WK, 100).shape == (5, 1)
