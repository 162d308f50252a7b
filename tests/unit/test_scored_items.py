"""Baselines are scored on the batches that the model is scored on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_fixtures import TASKS, make

SMALL = {"sentiment": ("data.batch_size=4",), "speech_commands": ("data.batch_size=2",)}
SMALL |= {"video_action": ("data.batch_size=1",), "translation": ("data.batch_size=4",)}
SMALL |= {"forecasting": (), "summarization": ("data.batch_size=2",)}
SMALL |= {"transcription": ("data.batch_size=1",), "tracking": ("data.batch_size=1",)}


@pytest.mark.parametrize("name", TASKS)
def test_baselines_see_the_batches_of_the_model(name: str, tmp_path: Path) -> None:
    _, data = make(name, "gru", tmp_path, *SMALL[name])
    loader = data.test_dataloader()
    assert len(loader) > 1, "one batch is all of the data"
    everything = data.baselines("test")
    data.limit_batches = {"test": 1}
    first = next(iter(loader))
    limited = data.baselines("test")
    if name == "forecasting":
        error_BPC = (first.target_BTC.nan_to_num()[:, -1:] - first.truth_BPC).abs()
        assert limited["last_value"]["mae"] == pytest.approx(error_BPC.nanmean().item(), rel=0.05)
    elif name == "translation":
        same = [one == other for one, other in zip(first.sources, first.references, strict=True)]
        assert limited["copy"]["exact_match"] == pytest.approx(np.mean(same))
    elif name in ("summarization", "transcription", "tracking"):
        assert set(limited) == set(everything)
    else:
        majority = int(np.argmax(data.schema()["class_counts"]))
        share = (first.labels_B == majority).float().mean().item()
        assert limited["majority"]["accuracy"] == pytest.approx(share)
    assert repr(limited) != repr(everything)
    # As text: a metric that does not exist is NaN, which equals nothing.
    for limit in (len(loader), 1.0):
        data.limit_batches = {"test": limit}
        assert repr(data.baselines("test")) == repr(everything)


@pytest.mark.parametrize(("limit", "batches"), [(1.0, 3), (0.5, 1), (2, 2), (99, 3), (0, 0)])
def test_limits_count_as_lightning_does(limit: float, batches: int, tmp_path: Path) -> None:
    _, data = make("sentiment", "gru", tmp_path, "data.batch_size=4")
    loader = data.loader("test")
    assert len(loader) == 3
    data.limit_batches = {"test": limit}
    items = data.scored_items("test")
    scored = [batch.labels_B for batch, _ in zip(loader, range(batches), strict=False)]
    assert len(items) == sum(map(len, scored))
    labels = torch.tensor(data.datasets["test"].labels)[torch.from_numpy(items)]
    expected = torch.cat([*scored, torch.empty(0, dtype=torch.int64)])
    assert labels.sort().values.tolist() == expected.sort().values.tolist()
