"""Series of many Parquet files: the same windows as those of one table, in constant memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.batches.loaders import EpochShuffle, permuted
from gru_suite.tasks.forecasting.batches.stored.windows import StoredWindowSet
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.inference.rolling_forecasts import adapted
from gru_suite.tasks.forecasting.reading.stored import columns as stored_columns
from gru_suite.tasks.forecasting.reading.stored.parquet_files import find_parquet

PARTS = ("train", "val", "test")
ROLES = {
    "time_column": "time",
    "id_column": "shop",
    "target": ["sold", "returned"],
    "past_covariates": ["visitors"],
    "future_covariates": ["holiday"],
    "static_covariates": ["region", "size"],
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def shops(count: int = 6, steps: int = 200) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    parts = []
    for number in range(count):
        length = steps - 7 * number
        time = pd.date_range("2024-01-01", periods=length, freq="h")
        parts.append(
            pd.DataFrame(
                {
                    "shop": f"shop {number}",
                    "time": time,
                    "sold": 10 * number + draw.normal(size=length),
                    "returned": draw.normal(size=length) - 5,
                    "visitors": draw.normal(3, 2, length),
                    "holiday": (time.day < 3).astype(float),
                    "region": "north" if number < 2 else "south",
                    "size": number / 2,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.loc[table.index % 17 == 0, ["sold", "visitors"]] = np.nan
    # A gap longer than a horizon.
    return table[(table["shop"] != "shop 3") | ~table["time"].between("2024-01-03", "2024-01-05")]


def write(table: pd.DataFrame, folder: Path, files: int = 4) -> Path:
    folder.mkdir()
    # Rows of all series in all files, in any order.
    shuffled = table.sample(frac=1, random_state=1)
    for number in range(files):
        part = shuffled.iloc[number::files]
        part.to_parquet(folder / f"part-{number}.parquet", row_group_size=50, index=False)
    return folder


def module(path: Path, **options: Any) -> ForecastingDataModule:
    sizes = {"lookback": 24, "horizon": 6, "min_lookback": 24, "split": [0.6, 0.2, 0.2]}
    data = ForecastingDataModule(path=str(path), **(sizes | ROLES | options))
    data.setup()
    return data


@pytest.fixture
def both(tmp_path: Path) -> tuple[ForecastingDataModule, ForecastingDataModule]:
    """Return the data of one sorted file, and of the same rows in many."""
    table = shops()
    table.to_parquet(tmp_path / "one.parquet", index=False)
    write(table, tmp_path / "many")
    return module(tmp_path / "one.parquet"), module(tmp_path / "many")


def same_order(
    one: ForecastingDataModule, many: ForecastingDataModule, part: str
) -> NDArray[np.int64]:
    """Return the index in ``many`` of each window of ``one``."""

    def keys(data: ForecastingDataModule) -> list[tuple[str, int]]:
        windows = data.windows[part]
        names = windows.series.grid.names
        places = zip(windows.series_W.tolist(), windows.origins_W.tolist(), strict=True)
        return [(names[series], origin) for series, origin in places]

    index = {key: number for number, key in enumerate(keys(many))}
    assert len(index) == len(many.windows[part]) == len(one.windows[part])
    return np.array([index[key] for key in keys(one)])


def test_windows_and_schema_are_those_of_one_table(both: Any) -> None:
    one, many = both
    assert isinstance(many.windows["train"], StoredWindowSet)
    expected, found = one.schema(), many.schema()
    assert expected["train_ends"] == found["train_ends"]
    for name, scale in expected["target_scale"].items():
        for key, values in scale.items():
            assert found["target_scale"][name][key] == pytest.approx(values, rel=1e-5)
    for name, scale in expected["covariate_scale"].items():
        assert found["covariate_scale"][name] == pytest.approx(scale, rel=1e-5)
    rest = expected.keys() - {"target_scale", "train_ends", "covariate_scale"}
    assert {key: found[key] for key in rest} == {key: expected[key] for key in rest}
    for part in PARTS:
        order = same_order(one, many, part)
        assert one.dropped[part] == many.dropped[part]
        batches = one.windows[part].batch(range(len(order))), many.windows[part].batch(order)
        for name, left, right in zip(batches[0]._fields, *batches, strict=True):
            if name != "series_B":
                torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert one.dropped["train"] > 0


def test_adapted_intervals_are_those_of_one_table(both: Any) -> None:
    levels = [0.1, 0.5, 0.9]
    offset_Q = torch.tensor([-0.1, 0.0, 0.1])

    def last_value(batch: ForecastBatch) -> torch.Tensor:
        last_B1C = batch.target_BTC.nan_to_num()[:, -1:]
        return last_B1C.expand_as(batch.truth_BPC)[..., None] + offset_Q

    order = same_order(*both, "test")
    one, many = (
        adapted(last_value, each.windows["test"], levels, each.schema()).numpy() for each in both
    )
    assert one == pytest.approx(many[order], rel=1e-5)
    assert len(np.unique(one[..., 0])) > 3


def test_blocks_of_series_change_nothing(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, many = both
    monkeypatch.setattr(stored_columns, "BLOCK_STEPS", 250)
    again = module(Path(many.path))
    assert again.schema() == many.schema()
    for part in PARTS:
        left, right = (each.windows[part] for each in (many, again))
        assert left.series_W.equal(right.series_W)
        assert left.origins_W.equal(right.origins_W)


def test_the_columns_are_converted_once(tmp_path: Path, capsys: Any) -> None:
    folder = write(shops(), tmp_path / "many")
    module(folder)
    assert "converting 4 Parquet files" in capsys.readouterr().out
    module(folder, lookback=12, min_lookback=12)
    module(tmp_path / "many" / "part-*.parquet")
    assert "converting" not in capsys.readouterr().out
    shops(7).to_parquet(folder / "part-0.parquet")
    with pytest.raises(UserError, match="series and time that came before"):
        module(folder)


def test_a_schema_encodes_other_files(both: Any, tmp_path: Path) -> None:
    one, many = both
    folder = write(shops(8, 260), tmp_path / "later")
    table = shops(8, 260)
    table.to_parquet(tmp_path / "later.parquet", index=False)
    found, expected = (
        module(path, schema=each.schema())
        for path, each in ((folder, many), (tmp_path / "later.parquet", one))
    )
    order = same_order(expected, found, "test")
    left = expected.windows["test"].batch(range(len(order)))
    right = found.windows["test"].batch(order)
    torch.testing.assert_close(
        left.target_BTC, right.target_BTC, rtol=1e-4, atol=1e-5, equal_nan=True
    )
    assert (right.series_B < 0).any()


def test_examples_are_tables_of_the_columns(both: Any) -> None:
    _, many = both
    example = many.raw_examples(2)[0]
    assert set(example.columns) == set(shops().columns)
    assert example["sold"].iloc[-6:].isna().all()
    assert example["holiday"].notna().all()


def test_rows_without_times_are_counted(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(2):
        values = pd.DataFrame({"value": np.arange(50.0) + 50 * number})
        values.to_parquet(tmp_path / "many" / f"{number}.parquet")
    roles: dict[str, Any] = {key: None if key.endswith("column") else [] for key in ROLES}
    data = module(tmp_path / "many", **roles | {"target": "value", "calendar": "none"})
    batch = data.windows["train"].batch([0, 30])
    values = batch.truth_BPC * batch.std_BC[:, None] + batch.mean_BC[:, None]
    torch.testing.assert_close(values[:, 0, 0], torch.tensor([24.0, 54.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"on_duplicates": "last"}, "are for a table in one file"),
        ({"min_lookback": 5}, "are for a table in one file"),
        ({"categorical": ["holiday"]}, "only data.static_covariates may be categorical"),
        ({"frequency": "2h"}, "not on the steps of frequency '2h'"),
        ({"static_covariates": ["visitors"], "past_covariates": []}, "has one value a series"),
        ({"past_covariates": ["region"], "static_covariates": []}, "expected a number"),
    ],
)
def test_what_cannot_be_read(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        module(write(shops(), tmp_path / "many"), **change)


def test_damaged_files_and_patterns(tmp_path: Path) -> None:
    folder = write(shops(), tmp_path / "many")
    assert find_parquet(str(folder / "*.parquet")) == find_parquet(str(folder))
    assert find_parquet(str(folder / "part-0.parquet")) is None
    with pytest.raises(UserError, match="no file fits this pattern"):
        find_parquet(str(folder / "*.pq"))
    (folder / "part-2.parquet").write_bytes((folder / "part-2.parquet").read_bytes()[:-20])
    with pytest.raises(UserError, match=r"part-2\.parquet: not readable as a Parquet table"):
        module(folder)
    shops()[["shop", "time"]].to_parquet(folder / "part-2.parquet")
    with pytest.raises(UserError, match=r"part-2\.parquet: has no column 'sold'"):
        module(folder)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000, 70_001])
def test_a_computed_permutation_has_every_index_once(count: int) -> None:
    generator = torch.Generator().manual_seed(3)
    found = np.concatenate(list(permuted(count, generator)))
    assert np.array_equal(np.sort(found), np.arange(count))
    if count > 100:
        assert abs(np.corrcoef(found, np.arange(count))[0, 1]) < 0.15


def test_the_order_of_stored_windows(both: Any) -> None:
    windows = both[1].windows["train"]
    shuffle = EpochShuffle(windows, 1, seed=1)
    first = list(shuffle)
    assert sorted(first) == list(range(len(windows)))
    shuffle.set_epoch(1)
    assert list(shuffle) != first
    assert len(list(EpochShuffle(windows, 7, seed=1))) == len(windows) // 7
