from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from gru_suite.errors import UserError
from gru_suite.plots.figure import BLUE, GREY, ORANGE
from gru_suite.tasks.forecasting.inference.forecasts import MAX_PANELS, ForecastPanel
from gru_suite.tasks.forecasting.results.forecast_plots import plot_forecasts


def panel(
    num_history: int = 60, horizon: int = 12, start: str | None = "2013-10-01T00"
) -> ForecastPanel:
    steps = np.arange(num_history + horizon)
    time = steps if start is None else np.datetime64(start, "ns") + steps * np.timedelta64(1, "h")
    values = np.sin(steps / 4)
    forecast = values[num_history:] + 0.1
    return ForecastPanel(
        title="EWR temp",
        history_time_T=time[:num_history],
        history_T=values[:num_history],
        forecast_time_P=time[num_history:],
        forecast_P=forecast,
        lower_P=forecast - 0.3,
        upper_P=forecast + 0.3,
        truth_P=values[num_history:],
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect the figures that are saved, to look at what is on them."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **options: object) -> None:
        figures.append(self)
        save(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_the_same_forecast_gives_the_same_bytes(tmp_path: Path) -> None:
    first = plot_forecasts(tmp_path / "a.png", [panel()])
    second = plot_forecasts(tmp_path / "plots" / "b.png", [panel()])
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() == second.read_bytes()


def test_a_users_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    plain = plot_forecasts(tmp_path / "a.png", [panel()]).read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20}):
        assert plot_forecasts(tmp_path / "b.png", [panel()]).read_bytes() == plain
        assert matplotlib.rcParams["font.size"] == 20


@pytest.mark.parametrize(("given", "shown"), [(1, 1), (2, 2), (3, 3), (6, 6), (9, MAX_PANELS)])
def test_at_most_six_panels(tmp_path: Path, drawn: list[Figure], given: int, shown: int) -> None:
    plot_forecasts(tmp_path / "a.png", [panel()] * given)
    visible = [axes for axes in drawn[0].axes if axes.axison]
    assert len(visible) == shown


def test_what_a_panel_shows(tmp_path: Path, drawn: list[Figure]) -> None:
    given = panel(num_history=200, horizon=12)
    plot_forecasts(tmp_path / "a.png", [given])
    (axes,) = drawn[0].axes
    lines = {line.get_color(): line for line in axes.lines if len(line.get_xdata()) > 2}
    assert len(lines[GREY].get_ydata()) == 36
    np.testing.assert_array_equal(lines[BLUE].get_ydata(), given.forecast_P)
    np.testing.assert_array_equal(lines[ORANGE].get_ydata()[1:], given.truth_P)
    assert lines[ORANGE].get_ydata()[0] == given.history_T[-1]
    assert axes.get_title("left") == "EWR temp"
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["history", "truth", "forecast (median)", "80 % interval"]


def test_ticks_are_dates_a_person_reads(tmp_path: Path, drawn: list[Figure]) -> None:
    plot_forecasts(tmp_path / "a.png", [panel(num_history=200, horizon=48)])
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert "09 Oct" in labels
    assert drawn[0].axes[0].xaxis.get_offset_text().get_text() == "2013"


def test_without_truth_or_interval(tmp_path: Path, drawn: list[Figure]) -> None:
    bare = panel()._replace(truth_P=None, lower_P=None, upper_P=None)
    plot_forecasts(tmp_path / "a.png", [bare])
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["history", "forecast (median)"]


@pytest.mark.parametrize("start", [None, "2013-10-01T00"])
def test_one_step_horizon_is_visible(
    tmp_path: Path, drawn: list[Figure], start: str | None
) -> None:
    plot_forecasts(tmp_path / "a.png", [panel(horizon=1, start=start)])
    markers = {line.get_color(): line.get_marker() for line in drawn[0].axes[0].lines[1:3]}
    assert markers == {ORANGE: "o", BLUE: "o"}


def test_missing_values_leave_gaps(tmp_path: Path) -> None:
    given = panel()
    history, truth = given.history_T.copy(), np.full_like(given.forecast_P, np.nan)
    history[-20:] = np.nan
    assert plot_forecasts(
        tmp_path / "a.png", [given._replace(history_T=history, truth_P=truth)]
    ).is_file()


def test_a_history_of_nothing_but_missing_values(tmp_path: Path) -> None:
    given = panel()
    assert plot_forecasts(
        tmp_path / "a.png", [given._replace(history_T=np.full_like(given.history_T, np.nan))]
    ).is_file()


def test_no_panel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one panel"):
        plot_forecasts(tmp_path / "a.png", [])


def test_an_unwritable_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make the folder"):
        plot_forecasts(tmp_path / "file" / "plots" / "a.png", [panel()])
