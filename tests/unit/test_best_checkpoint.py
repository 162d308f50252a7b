"""Checkpoints reduced to what prediction needs, and models in half precision."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import gru_suite
from gru_suite.errors import UserError
from gru_suite.model.tables import pack_tables, unpack_tables
from gru_suite.training.checkpoint import check_resumable, keep_for_prediction, load_task

STORED = Path(__file__).parents[1] / "golden" / "checkpoints"
RAW: dict[str, Any] = {
    "sentiment": ["a fine film", "dull"],
    "speech_commands": (np.sin(np.arange(16000) / 5).astype("f4"), 16000),
    "video_action": np.full((20, 48, 64, 3), 90, np.uint8),
}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORED / "sentiment.ckpt", tmp_path / "best.ckpt"))


def test_a_reduced_checkpoint_predicts_the_same(stored: Path) -> None:
    before = stored.stat().st_size
    expected = gru_suite.load(stored).predict(RAW["sentiment"]).probability_NK
    keep_for_prediction(stored)
    assert stored.stat().st_size < 0.7 * before
    found = gru_suite.load(stored).predict(RAW["sentiment"]).probability_NK
    np.testing.assert_array_equal(found, expected)
    assert load_task(stored).model.run_info == load_task(STORED / "sentiment.ckpt").model.run_info
    keep_for_prediction(stored)


def test_tables_of_words_are_compressed(stored: Path, tmp_path: Path) -> None:
    before = load_task(stored)
    expected = before.model.predict(RAW["sentiment"]).probability_NK
    keep_for_prediction(stored, type(before.model).tables)
    content = torch.load(stored, weights_only=True)
    assert set(content["tables"]) == {"encoder.embedding.weight", "wide.idf_W", "wide.weight_WK"}
    assert content["tables"]["encoder.embedding.weight"]["values"].dtype == torch.int8
    model = gru_suite.load(stored)
    assert {part.dtype for part in model.parameters()} == {torch.float32}
    np.testing.assert_allclose(model.predict(RAW["sentiment"]).probability_NK, expected, atol=2e-3)
    # By Lightning's own loading too, and of a reduced checkpoint again.
    again = type(before).load_from_checkpoint(stored).eval()
    keep_for_prediction(stored, type(before.model).tables)
    for other in (again.model, gru_suite.load(stored)):
        np.testing.assert_allclose(
            other.predict(RAW["sentiment"]).probability_NK, expected, atol=2e-3
        )


def test_packed_tables_come_back_within_their_error() -> None:
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(50, 64, generator=draw) * torch.rand(50, 1, generator=draw)
    table[::3] = 0
    state = {"a": table, "b": torch.rand(9), "c": torch.ones(2)}
    rest, packed = pack_tables(state, ["a", "b", "missing"])
    assert list(rest) == ["c"]
    checkpoint = {"state_dict": rest, "tables": packed}
    unpack_tables(checkpoint)
    unpack_tables(checkpoint)
    found = checkpoint["state_dict"]
    assert (found["a"][::3] == 0).all()
    assert ((found["a"] - table).abs().amax(1) <= 0.004 * table.abs().amax(1)).all()
    torch.testing.assert_close(found["b"], state["b"], rtol=1e-3, atol=1e-3)


def test_it_is_no_place_to_resume_from(stored: Path) -> None:
    check_resumable(stored)
    keep_for_prediction(stored)
    with pytest.raises(UserError, match=r"state of its training; go on from last\.ckpt, or"):
        check_resumable(stored)
    shutil.copy(STORED / "sentiment.ckpt", stored.with_name("last.ckpt"))
    with pytest.raises(UserError, match=r"go on from last\.ckpt: checkpoint=.*last\.ckpt"):
        check_resumable(stored)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("task", RAW)
def test_models_predict_in_half_precision(task: str, dtype: torch.dtype) -> None:
    model = gru_suite.load(STORED / f"{task}.ckpt")
    expected = model.predict(RAW[task]).probability_NK
    found = model.to(dtype).predict(RAW[task]).probability_NK
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_forecaster_asks_for_float32() -> None:
    model = gru_suite.load(STORED / "forecasting.ckpt").half()
    schema = model.schema
    rows = schema["lookback"]
    names = [*schema["targets"], *schema["past_covariates"], *schema["future_covariates"]]
    frame = pd.DataFrame({name: np.arange(rows) % 7 for name in names})
    if schema["time_column"]:
        times = pd.date_range("2024-01-01", periods=rows, freq=schema["frequency"])
        frame[schema["time_column"]] = times
    if schema["id_column"]:
        frame[schema["id_column"]] = "a"
    with pytest.raises(UserError, match=r"torch\.float16: forecasts .* call model\.float\(\)"):
        model.predict(frame)
