import math
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torchvision import models
from trainers import quiet_trainer
from video_files import COLORS, moving, ramp, write_still, write_video

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.checkpoint import load
from gru_suite.tasks.video_action.batches.video_dataset import VideoBatch
from gru_suite.tasks.video_action.data import VideoDataModule
from gru_suite.tasks.video_action.inference.inputs import read_clips
from gru_suite.tasks.video_action.inference.stepwise_predictions import stepwise_probabilities
from gru_suite.tasks.video_action.model import VideoActionModel
from gru_suite.tasks.video_action.task import VideoActionTask
from gru_suite.testing.contract import build, check_task, compose_config

SIZE = [24, 32]
SCHEMA: dict[str, Any] = {
    "labels": ["still", "right", "left"], "class_counts": [3, 3, 3], "size": SIZE, "margin": 4,
    "num_frames": 6, "frame_rate_hz": None, "oversample": 3, "test_clips": 2, "feature_size": None,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "backbone": {"cell": "gru", "hidden_size": 8, "bidirectional": True},
    "schema": SCHEMA,
    "encoder": {"channels": [8, 8]},
}
ONE_WAY = {"cell": "gru", "hidden_size": 8}


def clips(lengths: list[int], size: list[int] = SIZE, seed: int = 0) -> VideoBatch:
    generator = torch.Generator().manual_seed(seed)
    lengths_B = torch.tensor(lengths)
    shape = len(lengths), max(lengths), *size, 3
    x_BTHW3 = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    x_BTHW3[torch.arange(max(lengths)) >= lengths_B[:, None]] = 0
    number_B = torch.arange(len(lengths))
    return VideoBatch(x_BTHW3, lengths_B, number_B % 3, number_B, number_B % 2)


def with_statistics(model: Any) -> Any:
    """Give the batch norms statistics other than those that change nothing."""
    model.train()
    for seed in range(3):
        model(clips([6, 5, 4], seed=seed))
    return model.eval()


def answers(model: VideoActionModel, x_THW3: torch.Tensor) -> np.ndarray:
    """Judge every beginning of a clip by itself."""
    rows = []
    for length in range(1, len(x_THW3) + 1):
        one = torch.tensor([length])
        rows.append(model(SequenceBatch(x_THW3[None, :length], one, one)).softmax(-1)[0])
    return torch.stack(rows).detach().numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return videos of three classes, which differ in their colour."""
    root = tmp_path_factory.mktemp("videos")
    for label in COLORS:
        for number in range(8):
            frames = colored(label, 14 + number, number)
            write_video(root / label / f"{label}_{number}.mp4", frames)
    return root


def colored(label: str, num_frames: int, seed: int) -> np.ndarray:
    """Return a square that moves, in a colour."""
    return (moving(num_frames, seed) / 255 * COLORS[label]).astype(np.uint8)


def overrides(folder: Path, cache: Path) -> list[str]:
    return [
        "data=video_folders",
        f"data.path={folder}",
        f"data.cache_dir={cache}",
        "data.size=[24,32]",
        "data.margin=4",
        "data.num_frames=6",
        "data.fractions=[0.5,0.25,0.25]",
        "task.encoder.channels=[8,8]",
    ]


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> VideoActionTask:
    """Return a task that tells the three classes apart."""
    torch.manual_seed(0)
    cache = str(tmp_path_factory.mktemp("cache"))
    data = VideoDataModule(
        str(folder), "folders", fractions=(0.5, 0.25, 0.25), size=SIZE, margin=4, num_frames=6,
        test_clips=2, augment={"brightness": 0.1}, batch_size=6, cache_dir=cache,
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    task = VideoActionTask(
        ONE_WAY, data.schema(), {"name": "adam", "lr": 0.01}, encoder={"channels": [8, 16]}
    )
    task.run_info = {"data": {}, "seed": 1}
    trainer = quiet_trainer(max_epochs=12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(task, data)
        scores = trainer.test(task, data, verbose=False)[0]
    assert scores["test/accuracy"] >= 0.8
    assert not math.isnan(scores["test/clip_accuracy"])
    return task.eval()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_task_keeps_the_contract(folder: Path, tmp_path: Path, cell: str) -> None:
    check_task("video_action", cell, overrides(folder, tmp_path))


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "mean+max"},
        {"pooling": "last", "causal": True, "backbone": ONE_WAY},
        {"encoder": {"channels": [8], "norm": "group", "appearance_dropout": 0.5}},
        {"encoder": {"name": "mobilenet_v3_small"}, "schema": {**SCHEMA, "size": [32, 32]}},
        {"class_weights": True, "label_smoothing": 0.0},
    ],
)
def test_options_build_networks_that_train(options: dict[str, Any]) -> None:
    task = VideoActionTask(**{**SMALL, **options})
    batch = clips([5, 1, 3], [36, 36])
    loss = task.loss(task(batch), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in task.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"causal": True}, r"backward pass would look ahead; set backbone\.bidirectional=false"),
        ({"encoder": {"nam": "x"}}, r"task\.encoder\.nam: no such option; did you mean 'name'"),
        ({"pooling": "best"}, r"task\.pooling=best: choose one of"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        VideoActionTask(**{**SMALL, **options})


def test_padding_and_margin_change_no_answer() -> None:
    task = with_statistics(VideoActionTask(**SMALL))
    whole = clips([6, 1, 4], [28, 36])
    together_BK = task(whole)
    for row, length in enumerate(whole.lengths_B.tolist()):
        cut = whole.x[row : row + 1, :length, 2:26, 2:34]
        alone = SequenceBatch(cut, whole.lengths_B[row : row + 1], whole.labels_B[:1])
        torch.testing.assert_close(task(alone), together_BK[row : row + 1], rtol=1e-4, atol=1e-5)


def test_top5_is_in_the_table_of_many_classes_only() -> None:
    schema = {**SCHEMA, "labels": list("abcdef"), "class_counts": [1] * 6}
    assert "top5" in VideoActionTask(**{**SMALL, "schema": schema}).better
    assert "top5" not in VideoActionTask(**SMALL).better


def test_every_shipped_experiment_builds(folder: Path, tmp_path: Path) -> None:
    for name in ("ucf101", "video_streaming"):
        cfg = compose_config([f"experiment={name}", *overrides(folder, tmp_path)[1:-1]])
        assert cfg.data.source == "ucf101"
        cfg.data.source = "folders"
        task, data = build(cfg)
        assert task(next(iter(data.test_dataloader()))).shape[1] == 3


# Frozen encoders


def test_frozen_features_give_the_answers_of_the_videos(folder: Path, tmp_path: Path) -> None:
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), tmp_path / "weights.pt")
    words = [
        *overrides(folder, tmp_path / "cache")[:-1],
        "task=video_action",
        "task.encoder.name=mobilenet_v3_small",
        f"task.encoder.weights={tmp_path / 'weights.pt'}",
        "task.encoder.frozen=true",
    ]
    task, data = build(compose_config(words))
    task.eval()
    batch = next(iter(data.test_dataloader()))
    assert batch.x.shape[1:] == (6, 576)
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    # The checkpoint holds the encoder: its file is of no further use.
    (tmp_path / "weights.pt").unlink()
    again = load(tmp_path / "task.ckpt")
    found = again.predict(folder / data.datasets["test"].names[0])
    videos_B = data.datasets["test"].video_R[: len(batch.x)]
    expected_K = task.model.probabilities([batch])[videos_B == 0].mean(0)
    np.testing.assert_allclose(found.probability_NK[0], expected_K, atol=1e-4)
    assert set(data.baselines("test", task.scoring)) == {"majority", "frame_mean"}


# Results


def test_a_run_draws_what_it_saw(trained: VideoActionTask, folder: Path, tmp_path: Path) -> None:
    data = VideoDataModule(
        str(folder), "folders", fractions=(0.5, 0.25, 0.25), cache_dir=str(tmp_path / "cache"),
        schema=trained.model.schema,
    )  # fmt: skip
    data.prepare_data()
    data.setup("test")
    written = trained.write_plots(data.test_dataloader(), tmp_path)
    names = {"confusion_matrix.png", "test_clips.png", "answers_over_time.png"}
    assert names <= {path.name for path in written}
    assert all(path.stat().st_size > 0 for path in written)
    predictions = trained.model.predict_loader(data.test_dataloader())
    assert predictions.names == data.datasets["test"].names
    assert predictions.truth_N is not None
    assert predictions.truth_N.tolist() == data.datasets["test"].labels
    right = (predictions.probability_NK.argmax(1) == predictions.truth_N).mean()
    assert right >= 0.8
    # The same videos, read from their files.
    from_files = trained.predict([folder / name for name in predictions.names])
    np.testing.assert_allclose(from_files.probability_NK, predictions.probability_NK, atol=1e-4)
    scores = data.baselines("test", trained.scoring)
    assert set(scores) == {"majority", "frame_statistics", "frame_mean"}
    assert scores["frame_mean"]["accuracy"] >= scores["majority"]["accuracy"]


# Prediction


def test_prediction_takes_what_a_person_has(trained: VideoActionTask, folder: Path) -> None:
    path = folder / "blue" / "blue_0.mp4"
    frames = colored("blue", 14, 0)
    for raw in (path, str(path), [path], frames, torch.from_numpy(frames)):
        predictions = trained.predict(raw)
        assert predictions.label == ["blue"]
        assert predictions.probability_NK.sum() == pytest.approx(1, abs=1e-5)
    assert trained.predict(folder).names == sorted(str(path) for path in folder.rglob("*.mp4"))
    assert trained.predict(frames[:1]).probability_NK.shape == (1, 3)


def test_a_long_video_is_judged_by_several_clips(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", ramp(30))
    spread = read_clips(path, SCHEMA)
    assert [clip.shape for clip in spread] == [(6, 28, 36, 3)] * 2
    windows = read_clips(path, {**SCHEMA, "frame_rate_hz": 12.5})
    greys = [np.diff(clip[:, 0, 0, 0].astype(int)) / 8 for clip in windows]
    assert [len(clip) for clip in windows] == [6, 6]
    np.testing.assert_allclose(greys, 2, atol=0.5)


def test_what_cannot_be_predicted_is_named(trained: VideoActionTask, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    write_still(tmp_path / "still.mp4")
    cases = {
        tmp_path / "nothing.mp4": r"nothing\.mp4: no such file",
        tmp_path / "empty.mp4": r"empty\.mp4: the file is empty",
        tmp_path / "still.mp4": r"still\.mp4: a still image",
        tmp_path: r"no readable video in this folder: empty\.mp4 \(.*still\.mp4 \(",
    }
    for path, message in cases.items():
        with pytest.raises(UserError, match=message):
            trained.predict(path)
    for raw in (
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 8, 8, 3)),
        np.zeros((0, 8, 8, 3), "u1"),
    ):
        with pytest.raises(UserError, match=r"needs \(frames, height, width, 3\)"):
            trained.predict(raw)


def test_a_table_is_written_and_videos_annotated(
    trained: VideoActionTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [0, 0.04, 0.1, 0.3, 0.31, 0.6]
    write_video(tmp_path / "in" / "a" / "x.mkv", moving(6, height=49, width=65), times=times)
    write_video(tmp_path / "in" / "b" / "x.avi", moving(9))
    (tmp_path / "in" / "b" / "bad.avi").touch()
    written = trained.model.predict_file(
        tmp_path / "in", tmp_path / "out" / "table.csv", annotate=True
    )
    assert "left out 1 unreadable: b/bad.avi (the file is empty)" in capsys.readouterr().out
    assert [path.name for path in written] == [
        "table.csv", "table_a_x_mkv.mp4", "table_b_x_avi.mp4"
    ]  # fmt: skip
    table = pd.read_csv(written[0])
    assert list(table.columns)[:2] == ["file", "label"]
    assert len(table) == 2
    with av.open(written[1]) as container:
        frames = list(container.decode(video=0))
        shown = frames[-1].to_ndarray(format="rgb24")
        found = [float(frame.time or 0) for frame in frames]
    np.testing.assert_allclose(found, times, atol=2e-3)
    # Small pictures are enlarged, or nobody could read what is drawn in.
    assert shown.shape == (244, 324, 3)
    assert shown[:40, :40].max() > 200
    assert trained.model.predict_file(tmp_path / "in", tmp_path / "t.csv") == [tmp_path / "t.csv"]


# Streams


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "mean+max"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_stream_answers_as_the_whole_clip_does(cell: str, pooling: str) -> None:
    model = with_statistics(
        VideoActionModel(**{**SMALL, "backbone": {**ONE_WAY, "cell": cell}, "pooling": pooling})
    )
    x_THW3 = clips([9]).x[0]
    expected_TK = answers(model, x_THW3)
    stream = model.stream()
    for _ in range(2):
        found = [stream.push(frame) for frame in x_THW3]
        found_TK = np.concatenate([answer.probability_NK for answer in found])
        np.testing.assert_allclose(found_TK, expected_TK, atol=1e-5, rtol=0)
        assert [each.label[0] for each in found] == [model.labels[k] for k in expected_TK.argmax(1)]
        stream.reset()
    assert stream.frames_per_second > 0
    whole_TK = stepwise_probabilities(model, x_THW3).numpy()
    np.testing.assert_allclose(whole_TK, expected_TK, atol=1e-5, rtol=0)


def test_the_streaming_experiment_answers_as_the_whole_clip_does() -> None:
    cfg = compose_config(["experiment=video_streaming", "data.path=none"])
    schema = {**SCHEMA, "size": list(cfg.data.size), "frame_rate_hz": cfg.data.frame_rate_hz}
    schema["num_frames"] = cfg.data.num_frames
    model = VideoActionModel(
        dict(cfg.backbone), schema, encoder=dict(cfg.task.encoder), causal=cfg.task.causal,
        pooling=cfg.task.pooling,
    )  # fmt: skip
    assert cfg.task.causal
    assert schema["frame_rate_hz"] is not None
    for seed in range(2):
        model(clips([4, 3], schema["size"], seed))
    model.eval()
    x_THW3 = clips([40], schema["size"]).x[0]
    stream = model.stream()
    found_TK = np.concatenate([stream.push(frame).probability_NK for frame in x_THW3.numpy()])
    np.testing.assert_allclose(found_TK[::13], answers(model, x_THW3)[::13], atol=1e-5, rtol=0)


def test_a_stream_takes_frames_of_any_size_and_leaves_out_what_comes_too_fast() -> None:
    model = with_statistics(
        VideoActionModel(
            **{**SMALL, "backbone": ONE_WAY, "schema": {**SCHEMA, "frame_rate_hz": 10}}
        )
    )
    stream = model.stream()
    large_THW3 = clips([30], [51, 64]).x[0]
    found = [stream.push(frame, number / 30) for number, frame in enumerate(large_THW3)]
    changes = [n for n in range(1, 30) if found[n] is not found[n - 1]]
    assert changes == list(range(3, 30, 3))
    # After a gap the grid goes on.
    assert stream.push(large_THW3[0], 2.0) is not found[-1]
    assert stream.push(large_THW3[0], 2.05) is stream.push(large_THW3[0], 2.09)
    every = model.stream()
    assert every.push(large_THW3[0]) is not every.push(large_THW3[1])
    with pytest.raises(UserError, match=r"frame of shape \(51, 64\).*needs \(height, width, 3\)"):
        every.push(large_THW3[0, :, :, 0])


def test_a_bidirectional_network_follows_no_stream() -> None:
    model = with_statistics(VideoActionModel(**SMALL))
    with pytest.raises(UserError, match=r"train with backbone\.bidirectional=false"):
        model.stream()
    # Of what was seen, as many frames as a training clip has are judged.
    x_THW3 = clips([10]).x[0]
    z_1TF = model.encoder(x_THW3[None])
    found_TK = stepwise_probabilities(model, x_THW3)
    for end in (1, 6, 10):
        start = max(0, end - 6)
        logits_1K = model.classify(z_1TF[:, start:end], torch.tensor([end - start]))
        torch.testing.assert_close(found_TK[end - 1], logits_1K.softmax(-1)[0], atol=1e-5, rtol=0)
