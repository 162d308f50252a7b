"""Young and short series: padded in training and prediction, named where they are too short."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.reading.tables import read_table
from gru_suite.tasks.forecasting.reading.time_grid import align_table

LENGTHS = {"old": 200, "young": 20, "new": 3}


def shops(lengths: dict[str, int] = LENGTHS) -> pd.DataFrame:
    parts = []
    for number, (name, length) in enumerate(lengths.items()):
        steps = np.arange(length)
        times = pd.date_range("2024-01-01", periods=length)
        y = 10 * (number + 1) + np.sin(steps * 2 * np.pi / 7)
        parts.append(pd.DataFrame({"day": times, "shop": name, "y": y}))
    return pd.concat(parts, ignore_index=True)


def module(
    folder: Path, lengths: dict[str, int] = LENGTHS, **options: object
) -> ForecastingDataModule:
    path = folder / "shops.csv"
    shops(lengths).to_csv(path, index=False)
    data = ForecastingDataModule(
        28,
        7,
        path=str(path),
        time_column="day",
        id_column="shop",
        target="y",
        **options,  # type: ignore[arg-type]
    )
    data.setup("fit")
    return data


@pytest.fixture
def model(tmp_path: Path) -> ForecastingModel:
    torch.manual_seed(0)
    return ForecastingModel(backbone={"hidden_size": 8}, schema=module(tmp_path).schema()).eval()


def test_young_series_train_with_padded_windows(tmp_path: Path) -> None:
    data = module(tmp_path)
    schema = data.schema()
    assert (schema["min_lookback"], schema["missing_targets"]) == (7, True)
    names = data.series.names if data.series is not None else []
    series_W = data.windows["train"].series_W.numpy()
    assert [int((series_W == index).sum()) for index in range(3)] == [140 - 28 - 7 + 1, 7, 0]
    assert names == ["old", "young", "new"]
    first = data.windows["train"].batch(np.flatnonzero(series_W == 1)[:1])
    assert first.target_BTC[0, :, 0].isnan().tolist() == [True] * 21 + [False] * 7
    assert not first.truth_BPC.isnan().any()
    lines = data.summary()
    assert "young series, padded with missing values: 1 (young)" in lines
    assert "series shorter than 14 steps, in no window: 1 (new)" in lines


def test_what_can_be_forecast_is_and_the_rest_is_named(
    model: ForecastingModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(UserWarning, match=r"left out 1 series .*: new \(3 steps up to its last obs"):
        found = model.predict(shops())
    assert [window.series for window in found.windows] == ["old", "young"]
    assert list(found.left_out) == ["new"]
    assert np.isfinite(found.values_BPCQ).all()
    frame = found.to_frame()
    assert frame.groupby("shop", sort=False)["day"].min().astype(str).tolist() == [
        "2024-07-19",
        "2024-01-21",
    ]
    model.predict_file(tmp_path / "shops.csv", tmp_path / "out.csv")
    assert "left out 1 series that are too short: new (3 steps" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"series 'a' has 3 steps .*, needs 7 \(2 such series\)"):
        model.predict(shops({"a": 3, "b": 6}))


def test_a_young_series_is_forecast_near_its_own_level(model: ForecastingModel) -> None:
    found = model.predict(shops({"young": 9}))
    history = found.history_BTC[0, :, 0]
    assert np.isnan(history).tolist() == [True] * 19 + [False] * 9
    assert np.nanmean(history) == pytest.approx(10, abs=1)


def test_the_least_length_is_an_option(tmp_path: Path) -> None:
    assert module(tmp_path, min_lookback=3).schema()["min_lookback"] == 3
    assert module(tmp_path, season_length=1).schema()["min_lookback"] == 7
    with pytest.raises(UserError, match=r"data\.min_lookback=0"):
        module(tmp_path, min_lookback=0)


def test_old_data_are_not_padded(tmp_path: Path) -> None:
    data = module(tmp_path, {"a": 100, "b": 150})
    assert data.series is not None
    assert data.series.grid.lengths.tolist() == [100, 150]
    assert not data.schema()["missing_targets"]


def test_padded_and_selected_grids_keep_rows_and_times() -> None:
    _, grid = align_table(read_table(shops({"a": 3, "b": 5})), "day", "shop")
    padded = grid.pad(np.array([2, 0]))
    assert padded.rows.tolist() == [-1, -1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert padded.first_steps.tolist() == [-2, 0]
    assert padded.time is not None
    assert str(padded.time[0])[:10] == "2023-12-30"
    chosen = padded.select(np.array([1]))
    assert (chosen.names, chosen.rows.tolist()) == (["b"], [3, 4, 5, 6, 7])
