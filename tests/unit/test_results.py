import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gru_suite.plots.figure import plot_learning_curve
from gru_suite.results.table import ScoreTable, write_metrics

BETTER = {"mae": "min", "accuracy": "max", "coverage_80": "none"}
MODEL = {"mae": 0.2134, "accuracy": 0.9, "coverage_80": 0.81}
BASELINES = {
    "last value": {"mae": 0.29512, "accuracy": 0.95},
    "ridge": {"mae": 0.1991, "accuracy": math.nan, "coverage_80": 0.79},
}


def printed(*args: object, title: str = "") -> str:
    file = io.StringIO()
    ScoreTable(*args, title=title).print(file)  # type: ignore[arg-type]
    return file.getvalue()


def test_metrics_json_is_flat_ordered_and_strict(tmp_path: Path) -> None:
    path = write_metrics(
        tmp_path / "run",
        {
            "baselines": {"ridge": {"mae": np.float64(0.25), "wql": math.nan}},
            "test/mse": torch.tensor(0.5),
            "val/mae": np.float32(0.25),
            "test/mae": math.inf,
            "device": "cpu",
            "seed": 1,
            "best_epoch": None,
            "task": "forecasting",
        },
    )
    assert path == tmp_path / "run" / "metrics.json"
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert list(read) == [
        *("task", "seed", "device", "best_epoch", "val/mae", "test/mse", "test/mae", "baselines")
    ]
    assert read["test/mse"] == 0.5
    assert read["test/mae"] is None
    assert read["baselines"] == {"ridge": {"mae": 0.25, "wql": None}}


def test_metrics_json_keeps_every_digit(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    path = write_metrics(tmp_path, {"test/mae": value})
    assert json.loads(path.read_text())["test/mae"] == value


def test_metrics_json_is_not_half_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_metrics(tmp_path, {"task": object()})
    assert list(tmp_path.iterdir()) == []


def test_the_model_comes_first_and_columns_keep_their_order() -> None:
    lines = [line.split() for line in printed("gru", MODEL, BASELINES, BETTER).splitlines()]
    rows = [line for line in lines if line and line[0] in ("mae", "gru", "last", "ridge")]
    assert rows == [
        ["mae", "accuracy", "coverage_80"],
        ["gru", "0.213", "0.900", "0.810"],
        ["last", "value", "0.295", "0.950", "-"],
        ["ridge", "0.199", "-", "0.790"],
    ]


def test_only_the_best_of_a_ranked_column_is_bold() -> None:
    table = ScoreTable("gru", MODEL, BASELINES, BETTER).to_rich()
    columns = table.columns[1:]
    bold = [[str(cell) for cell in c.cells if cell.style == "bold"] for c in columns]
    assert bold == [["0.199"], ["0.950"], []]


def test_a_pipe_gets_plain_text_within_80_columns() -> None:
    names = ["mse", "mae", "mse_unit", "mae_unit", "mase", "smape", "wql", "coverage_80"]
    scores = dict.fromkeys(names, 0.12345)
    text = printed(
        "gru", scores, {"seasonal naive": scores}, dict.fromkeys(names, "min"), title="test scores"
    )
    assert "\x1b" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "test scores" in text
    assert text.count("0.123") == 2 * len(names)


def test_a_wide_table_is_not_cut() -> None:
    names = [f"metric{index}" for index in range(20)]
    text = printed("gru", dict.fromkeys(names, 1.5), {}, dict.fromkeys(names, "max"))
    assert all(name in text for name in names)
    assert text.count("1.50") == len(names)


def test_tiny_values_keep_their_digits() -> None:
    text = printed("gru", {"mse": 6.8e-6}, {"last value": {"mse": 0.0123}}, {"mse": "min"})
    assert "6.80e-06" in text
    assert "1.23e-02" in text


def test_zero_and_infinity_have_a_place() -> None:
    text = printed("gru", {"mse": 0.0}, {"last value": {"mse": math.inf}}, {"mse": "min"})
    assert "0.00" in text
    assert "inf" in text


def test_a_metric_that_nobody_has_gets_no_column() -> None:
    assert "wql" not in printed("gru", {"mae": 1.0}, {}, {"mae": "min", "wql": "min"})


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match=r"better\['mae'\]='lower'.*min, max, none"):
        ScoreTable("gru", MODEL, BASELINES, {"mae": "lower"}).to_rich()


def test_learning_curve_from_spread_rows(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text(
        "epoch,step,train/loss,val/loss,test/loss\n"
        "0,9,,0.5,\n0,9,0.7,,\n1,19,,0.4,\n1,19,0.5,,\n2,29,,0.01,\n2,29,0.4,,\n2,29,,,0.3\n"
    )
    path = plot_learning_curve(log, tmp_path / "plots" / "loss.png")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
    again = plot_learning_curve(log, tmp_path / "again.png")
    assert again is not None
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("rows", ["", "0,0.5,0.4\n"])
def test_no_curve_from_less_than_two_epochs(tmp_path: Path, rows: str) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text("epoch,train/loss,val/loss\n" + rows)
    assert plot_learning_curve(log, tmp_path / "loss.png") is None
    assert list(tmp_path.iterdir()) == [log]


def test_learning_curve_survives_losses_that_are_no_numbers(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text("epoch,train/loss\n0,1.0\n1,nan\n2,0.01\n")
    assert plot_learning_curve(log, tmp_path / "loss.png") is not None


def test_a_best_epoch_is_never_one_without_a_number(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text("epoch,val/loss\n0,nan\n1,2.0\n2,1.0\n")
    drawn = plot_learning_curve(log, tmp_path / "a.png")
    log.write_text("epoch,val/loss\n1,2.0\n2,1.0\n")
    again = plot_learning_curve(log, tmp_path / "b.png")
    assert drawn is not None
    assert again is not None
    assert drawn.read_bytes() == again.read_bytes()
