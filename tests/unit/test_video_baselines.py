from pathlib import Path

import numpy as np
import pytest
import torch
from video_files import moving, write_video

from gru_suite.tasks.video_action.batches.video_dataset import VideoBatch
from gru_suite.tasks.video_action.data import VideoDataModule
from gru_suite.tasks.video_action.training.baselines import (
    baseline_scores,
    frame_mean,
    frame_statistics,
)

SIZE = [24, 30]


def batch(x_BTHW3: torch.Tensor, lengths: list[int]) -> VideoBatch:
    none_B = torch.full((len(lengths),), -1)
    return VideoBatch(x_BTHW3, torch.tensor(lengths), none_B, none_B, none_B)


def test_frame_mean_leaves_padding_out() -> None:
    z_BTF = torch.tensor([[[1.0], [3.0], [50.0]], [[2.0], [4.0], [6.0]]])
    assert frame_mean(z_BTF, torch.tensor([2, 3])).tolist() == [[2.0], [4.0]]


def test_statistics_say_what_a_clip_looks_like_and_how_it_changes() -> None:
    x_BTHW3 = torch.zeros(2, 4, 28, 34, 3, dtype=torch.uint8)
    x_BTHW3[0, :, ..., 0] = 255
    x_BTHW3[1, 1::2] = 255
    rows_BF = frame_statistics(batch(x_BTHW3, [4, 4]), SIZE)
    # Frames of 12 x 15: the mean in grey, then the change; means, spreads, movement.
    assert rows_BF.shape == (2, 2 * 180 + 8)
    torch.testing.assert_close(rows_BF[0, :180], torch.full((180,), 1 / 3))
    torch.testing.assert_close(rows_BF[:, 180], torch.tensor([0.0, 0.75]))
    assert rows_BF[0, 360:366].tolist() == pytest.approx([1, 0, 0, 0, 0, 0])
    assert rows_BF[1, 360:366].tolist() == pytest.approx([0.5] * 6)
    assert rows_BF[:, 366].tolist() == pytest.approx([0, 0.75])
    padded_BF = frame_statistics(batch(x_BTHW3, [4, 2]), SIZE)
    alone_BF = frame_statistics(batch(x_BTHW3[1:, :2], [2]), SIZE)
    torch.testing.assert_close(padded_BF[1:], alone_BF)


def test_baselines_are_scored_by_video(tmp_path: Path) -> None:
    for number in range(10):
        frames = moving(20, number)
        write_video(tmp_path / "in" / "moving" / f"{number}.mp4", frames)
        write_video(tmp_path / "in" / "still" / f"{number}.mp4", frames[:1].repeat(20, 0))
    data = VideoDataModule(
        str(tmp_path / "in"), "folders", fractions=(0.6, 0.2, 0.2), size=SIZE, num_frames=5,
        test_clips=3, cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    data.prepare_data()
    data.setup("test")
    scores = data.baselines("test")
    assert set(scores) == {"majority", "frame_statistics"}
    assert scores["majority"]["accuracy"] == 0.5
    assert scores["frame_statistics"]["accuracy"] == 1.0

    def features(each: VideoBatch) -> tuple[torch.Tensor, torch.Tensor]:
        # Of no use: the same for all.
        return torch.ones(*each.x.shape[:2], 2), each.lengths_B

    loaders = {
        part: getattr(data, f"{part}_dataloader")() for part in ("train", "val", "test")
    }  # fmt: skip
    scored = baseline_scores(loaders, data.schema(), "test", {"frame_features": features})
    assert scored["frame_mean"]["accuracy"] == 0.5
    assert np.isfinite(list(scored["frame_mean"].values())).all()
