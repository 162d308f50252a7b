"""``gru-suite compare``: groups, statistics, and the files of the report."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from run_folder_files import make_run
from scipy import stats

from gru_suite.cli.main import main
from gru_suite.results.comparison.comparison_plots import (
    MAX_CURVES,
    mean_and_spread,
    pareto_front,
    plot_learning_curves,
    plot_score_against_cost,
)
from gru_suite.results.comparison.grouping import Section, group_names, make_sections
from gru_suite.results.comparison.number_format import format_p, format_plain, shared_decimals
from gru_suite.results.comparison.run_records import find_runs
from gru_suite.results.comparison.statistics import (
    MeanEstimate,
    estimate_mean,
    holm,
    paired_test,
    sign_flip_p,
)
from gru_suite.results.comparison.summaries import SectionSummary, label, summarize

GRU, LSTM = [0.30, 0.32, 0.31], [0.25, 0.28, 0.24]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of two cells with three seeds, and a failed job."""
    folder = tmp_path / "outputs" / "sweeps" / "cells"
    cells = [("gru", GRU), ("lstm", LSTM)]
    jobs = [(c, s, score) for c, scores in cells for s, score in enumerate(scores, 1)]
    for index, (cell, seed, score) in enumerate(jobs):
        options = {"backbone.cell": cell}
        make_run(folder / str(index), score, seed=seed, options=options, num_parameters=10 + index)
    options = {"backbone.cell": "lstm"}
    make_run(folder / "6", None, seed=4, state="failed", error="no memory", options=options)
    monkeypatch.chdir(tmp_path)
    return folder


def sections(folder: Path, metric: str | None = None) -> list[Section]:
    return make_sections(find_runs(folder), metric)


def only(folder: Path) -> SectionSummary:
    (section,) = sections(folder)
    return summarize(section)


# Statistics


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.30, 0.32, 0.31, 0.36]
    estimate = estimate_mean(values)
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert estimate.interval == pytest.approx(expected)
    assert estimate.deviation == pytest.approx(np.std(values, ddof=1))


def test_an_interval_by_hand() -> None:
    # Mean 2, deviation 1, t(0.975, 2) = 4.3027 of Student's table.
    assert estimate_mean([1, 2, 3]).half_width == pytest.approx(4.3027 / 3**0.5, rel=1e-4)


def test_one_run_has_no_interval() -> None:
    assert estimate_mean([0.3]) == MeanEstimate(1, 0.3, None, None)
    assert estimate_mean([0.3]).interval is None
    with pytest.raises(ValueError, match="at least one value"):
        estimate_mean([])


def test_the_paired_tests_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.1, 1, 8), generator.normal(0, 1, 8)
    test = paired_test(first.tolist(), second.tolist())
    assert test is not None
    assert test.t_p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    reference = stats.permutation_test(
        (first, second), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert test.sign_p == pytest.approx(reference.pvalue)
    low, high = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert test.difference.interval == pytest.approx((low, high))


def test_the_sign_flip_test_counts_every_pattern() -> None:
    differences = np.array([1.0, 2.0, -0.5, 3.0])
    sums = [abs(np.dot(differences, signs)) for signs in itertools.product((1, -1), repeat=4)]
    assert sign_flip_p(differences) == np.mean(np.array(sums) >= 5.5)
    # All of one sign: only the pattern itself and its opposite are as far from zero.
    assert sign_flip_p(np.array([0.1, 0.2, 0.3])) == 2 / 2**3
    assert sign_flip_p(np.zeros(3)) == 1


def test_many_pairs_take_random_patterns() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1, 25)
    p = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p(differences) == pytest.approx(p, abs=0.02)
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(np.ones(40)) > 0


def test_equal_differences_have_no_t() -> None:
    test = paired_test([0.3, 0.4, 0.5], [0.2, 0.3, 0.4])
    assert test is not None
    assert (test.t_p, test.sign_p) == (None, 0.25)
    same = paired_test([0.3, 0.4], [0.3, 0.4])
    assert same is not None
    assert (same.t_p, same.sign_p) == (1, 1)


def test_one_pair_is_too_few_and_none_is_none() -> None:
    test = paired_test([0.3], [0.2])
    assert test is not None
    assert (test.t_p, test.sign_p) == (None, None)
    assert paired_test([], []) is None
    with pytest.raises(ValueError, match="2 and 1 scores are not pairs"):
        paired_test([1, 2], [1])


def test_holms_correction_by_hand() -> None:
    # 3 * 0.01, 2 * 0.02, and 1 * 0.03 raised to the one before.
    assert holm([0.03, 0.01, None, 0.02]) == pytest.approx([0.04, 0.03, None, 0.04])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


# Groups and sections


def test_groups_are_named_by_what_differs(sweep: Path) -> None:
    (section,) = sections(sweep)
    assert [group.name for group in section.groups] == ["backbone.cell=gru", "backbone.cell=lstm"]
    assert section.differences == {"backbone.cell": ("gru", "lstm")}
    assert [run.seed for run in section.groups[0].counted] == [1, 2, 3]
    assert (section.metric, section.direction) == ("mae", "min")


def test_a_failed_run_is_listed_and_not_counted(sweep: Path) -> None:
    lstm = sections(sweep)[0].groups[1]
    assert len(lstm.counted) == 3
    assert [(run.folder.name, run.state, why) for run, why in lstm.others] == [
        ("6", "failed", "no memory")
    ]


def test_a_repeated_seed_counts_once_by_its_newest_run(tmp_path: Path) -> None:
    make_run(tmp_path / "old", 0.9, started="2026-01-01T00:00:00+00:00")
    make_run(tmp_path / "new", 0.3, started="2026-01-02T00:00:00+00:00")
    (group,) = sections(tmp_path)[0].groups
    assert [run.folder.name for run in group.counted] == ["new"]
    assert group.others[0][1] == "repeats seed 1; the newer new counts"


def test_a_score_that_is_no_number_is_not_counted(tmp_path: Path) -> None:
    make_run(tmp_path / "a", float("nan"))
    make_run(tmp_path / "b", 0.3, seed=2)
    (group,) = sections(tmp_path)[0].groups
    assert [run.folder.name for run in group.counted] == ["b"]
    assert group.others[0][1] == "no finite score test/mae"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"data": "weather"}, {"data": "sine"}),
        ({}, {"task": "sentiment"}),
        ({}, {"options": {"data.horizon": 96}}),
        ({}, {"options": {"trainer.limit_test_batches": 2}}),
    ],
)
def test_other_scored_items_are_another_section(
    first: dict[str, Any], second: dict[str, Any], tmp_path: Path
) -> None:
    make_run(tmp_path / "a", **first)
    make_run(tmp_path / "b", **second)
    found = sections(tmp_path)
    assert [len(section.groups) for section in found] == [1, 1]
    assert found[0].title != found[1].title


def test_a_title_says_by_what_sections_differ(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", options={"data.horizon": 96})
    assert [section.title for section in sections(tmp_path)] == [
        "forecasting on weather, data.horizon=24",
        "forecasting on weather, data.horizon=96",
    ]


def test_a_seed_that_is_fixed_is_part_of_the_config(tmp_path: Path) -> None:
    for index, (seed, data_seed) in enumerate([(1, 5), (2, 5), (1, 6), (2, "${seed}")]):
        folder = make_run(tmp_path / str(index), seed=seed)
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "config.yaml").write_text(f"data: {{seed: {data_seed}}}")
        text = (folder / "config.yaml").read_text()
        resolved = data_seed if isinstance(data_seed, int) else seed
        text = re.sub(r"(?m)^  seed: \d+$", f"  seed: {resolved}", text)
        (folder / "config.yaml").write_text(text)
    groups = sections(tmp_path)[0].groups
    assert [(g.name, len(g.counted)) for g in groups] == [
        ("data.seed=5", 2),
        ("data.seed=6", 1),
        ("data.seed=(absent)", 1),
    ]


def test_runs_of_one_config_are_named_by_their_cell(tmp_path: Path) -> None:
    make_run(tmp_path / "a", options={"checkpoint": "last.ckpt"})
    make_run(tmp_path / "b", seed=2)
    assert [group.name for group in sections(tmp_path)[0].groups] == ["backbone.cell=gru"]


def test_many_differences_are_named_by_those_that_tell_apart() -> None:
    configs = [
        {"optimizer.lr": lr, "backbone.cell": cell, "a": lr, "b": lr, "c": [1, "x"]}
        for lr in (1, 2)
        for cell in ("gru", "lstm")
    ]
    names = group_names(configs, ["optimizer.lr", "a", "b", "backbone.cell"], "gru")
    assert names[1] == "backbone.cell=lstm, optimizer.lr=1 (+2 options)"
    assert len(set(names)) == 4
    long = [{"data.target": ["x" * 50, str(number)]} for number in range(2)]
    assert len(set(group_names(long, ["data.target"], "gru"))) == 2


# Summaries


def test_means_costs_and_the_best(sweep: Path) -> None:
    summary = only(sweep)
    best, other, baseline = summary.rows
    assert (best.label, best.name, best.is_best) == ("A", "backbone.cell=lstm", True)
    assert (other.label, other.is_best) == ("B", False)
    assert best.score == estimate_mean(LSTM)
    assert other.score == estimate_mean(GRU)
    assert (best.num_parameters, best.seconds_per_epoch) == (14, 2.0)
    assert (best.peak_memory_mb, best.inference_ms) == (None, None)
    assert (baseline.name, baseline.is_best) == ("last_value", False)
    # The same baseline for each seed is one number.
    assert baseline.score == MeanEstimate(1, 0.5, None, None)


def test_groups_are_tested_on_their_common_seeds(sweep: Path) -> None:
    (comparison,) = only(sweep).comparisons
    assert (comparison.first.label, comparison.second.label) == ("A", "B")
    assert comparison.num_pairs == 3
    assert comparison.t_p == pytest.approx(stats.ttest_rel(LSTM, GRU).pvalue)
    assert comparison.sign_p == 0.25
    assert comparison.test is not None
    assert comparison.test.difference.mean == pytest.approx(-0.16 / 3)


def test_p_values_of_several_comparisons_are_corrected(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for cell, seed in itertools.product(("gru", "lstm", "rnn"), range(1, 6)):
        score = 0.3 + generator.normal(0, 0.01)
        make_run(tmp_path / f"{cell}{seed}", score, seed=seed, options={"backbone.cell": cell})
    comparisons = only(tmp_path).comparisons
    raw = [each.test.t_p for each in comparisons if each.test]
    assert len(raw) == 3
    assert [each.t_p for each in comparisons] == pytest.approx(holm(raw))


def test_many_groups_are_compared_with_the_best(tmp_path: Path) -> None:
    for size, seed in itertools.product(range(1, 8), (1, 2)):
        options = {"backbone.hidden_size": size}
        score = 1 / size + 0.01 * seed * size
        make_run(tmp_path / f"{size}-{seed}", score, seed=seed, options=options)
    pairs = [(c.first.label, c.second.label) for c in only(tmp_path).comparisons]
    assert pairs == [("A", other) for other in "BCDEFG"]


def test_higher_is_better_where_the_task_says_so(tmp_path: Path) -> None:
    for index, score in enumerate((0.7, 0.9)):
        options = {"backbone.hidden_size": index}
        make_run(
            tmp_path / str(index), score, options=options, metric="accuracy",
            better={"accuracy": "max"}, baselines={"majority": {"accuracy": 0.95}},
        )  # fmt: skip
    summary = only(tmp_path)
    assert [row.score.mean for row in summary.rows if row.score] == [0.9, 0.7, 0.95]
    # A baseline that no group reaches is the best row.
    assert [row.is_best for row in summary.rows] == [False, False, True]


def test_other_items_under_the_same_name_are_noticed(tmp_path: Path) -> None:
    for index, score in enumerate((0.5, 0.6)):
        options = {"data.batch_size": 2**index}
        make_run(tmp_path / str(index), options=options, baselines={"last": {"mae": score}})
    assert "different items" in only(tmp_path).notes[0]


def test_without_a_direction_nothing_is_the_best(tmp_path: Path) -> None:
    make_run(tmp_path / "a", state=None)
    make_run(tmp_path / "b", 0.1, state=None, options={"backbone.cell": "lstm"})
    summary = only(tmp_path)
    assert not any(row.is_best for row in summary.rows)
    assert "whether a higher or a lower mae is better" in summary.notes[0]


def test_labels_go_on_after_z() -> None:
    assert [label(rank) for rank in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]


# Plots and numbers


def test_the_pareto_front() -> None:
    costs, scores = [1, 2, 3, 4], [0.5, 0.6, 0.3, 0.3]
    assert pareto_front(costs, scores, "min") == [0, 2]
    assert pareto_front(costs, scores, "max") == [0, 1]


def test_the_mean_curve_ends_with_the_shortest_run() -> None:
    curves = [pd.Series([1.0, 2.0, 9.0], [1, 2, 3]), pd.Series([3.0, 6.0], [1, 2])]
    epochs, mean, spread = mean_and_spread(curves)
    assert epochs.tolist() == [1, 2]
    assert mean.tolist() == [2, 4]
    assert spread == pytest.approx([2**0.5, 8**0.5])
    assert mean_and_spread(curves[:1])[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("num_groups", [2, MAX_CURVES + 1])
def test_plots_of_few_and_many_groups(num_groups: int, tmp_path: Path) -> None:
    for size in range(1, num_groups + 1):
        # The first epoch is a hundred times worse: a logarithmic axis, as for the parameters.
        make_run(
            tmp_path / str(size), 0.3 / size, options={"backbone.hidden_size": size},
            num_parameters=size**4, val_scores=(50, 0.5, 0.4), baselines={"$last$": {"mae": 0.3}},
        )  # fmt: skip
    summary = only(tmp_path)
    for plot in (plot_score_against_cost, plot_learning_curves):
        path = plot(summary, tmp_path / "plot.png")
        assert path is not None
        assert path.read_bytes().startswith(PNG)


def test_numbers_keep_the_digits_of_their_uncertainty() -> None:
    assert shared_decimals([MeanEstimate(2, 0.25, 0.0034, 0.1), None]) == 4
    assert shared_decimals([MeanEstimate(1, 0.25, None, None)]) == 3
    assert [format_plain(value) for value in (None, 0.0, 12.345, 1234.5, 2.5e-8)] == [
        *("–", "0.00", "12.3", "1,234", "2.50e-08"),  # noqa: RUF001
    ]
    texts = [format_p(p, n) for p, n in ((None, 1), (None, 3), (1e-6, 9), (0.0042, 9), (0.25, 3))]
    assert texts == ["too few pairs", "all equal", "< 0.0001", "0.0042", "0.250"]


# The report


class Tags(HTMLParser):
    """Collects the tags of a page and checks that they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_sweep_gets_its_report(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(sweep)]) == 0
    out = capsys.readouterr().out
    folder = sweep / "comparison"
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert "A: backbone.cell=lstm" in out
    assert {path.name for path in folder.iterdir()} == {
        *("report.html", "report.md", "runs.csv", "groups.csv"),
        *("pareto.png", "learning_curves.png"),
    }
    assert all(path.read_bytes().startswith(PNG) for path in folder.glob("*.png"))
    # A second comparison replaces the first and does not take its files for runs.
    assert main(["compare", str(sweep)]) == 0
    assert len(pd.read_csv(folder / "runs.csv")) == 7


def test_the_page_needs_nothing_else(sweep: Path) -> None:
    assert main(["compare", str(sweep)]) == 0
    text = (sweep / "comparison" / "report.html").read_text(encoding="utf-8")
    page = Tags()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.found}
    sources = [attrs["src"] or "" for tag, attrs in page.found if tag == "img"]
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(", text)
    assert "prefers-color-scheme: dark" in text
    boxes = [attrs for tag, attrs in page.found if attrs.get("class") == "scroll"]
    assert len(boxes) == sum(tag == "table" for tag, _ in page.found) == 5


def test_the_tables_hold_the_numbers(sweep: Path) -> None:
    assert main(["compare", str(sweep), "output=made/here"]) == 0
    groups = pd.read_csv("made/here/groups.csv")
    assert groups["name"].tolist() == ["backbone.cell=lstm", "backbone.cell=gru", "last_value"]
    assert groups["mean"].tolist() == pytest.approx([np.mean(LSTM), np.mean(GRU), 0.5])
    low, high = estimate_mean(LSTM).interval or (0, 0)
    assert groups.loc[0, ["interval_low", "interval_high"]].tolist() == pytest.approx([low, high])
    assert groups["best"].tolist() == [True, False, False]
    runs = pd.read_csv("made/here/runs.csv")
    assert runs["counted"].sum() == 6
    assert runs["backbone.cell"].tolist() == ["gru"] * 3 + ["lstm"] * 4
    assert runs.loc[6, ["state", "reason"]].tolist() == ["failed", "no memory"]
    report = Path("made/here/report.md").read_text(encoding="utf-8")
    assert re.search(r"\*\*A: backbone.cell=lstm\*\* +\| +3 \| 0.257 ", report)
    assert re.search(r"A minus B +\| +3 \| -0.053 ", report)
    assert "no memory" in report
    assert "cannot fall below 0.25" in report


def test_single_runs_have_neither_interval_nor_test(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(sweep / "0"), str(sweep / "4"), "output=o"]) == 0
    report = Path("o/report.md").read_text(encoding="utf-8")
    assert "Too few runs to test: a test needs two common seeds or more." in report
    assert "95 % interval" not in capsys.readouterr().out


def test_runs_of_two_tasks_have_a_section_each(tmp_path: Path, sweep: Path) -> None:
    texts = make_run(
        tmp_path / "t", 0.8, task="sentiment", data="<reviews>", metric="accuracy",
        better={"accuracy": "max"}, val_scores=(), seconds=(), num_parameters=None,
    )  # fmt: skip
    assert main(["compare", str(texts), str(sweep), str(sweep / "0")]) == 0
    (folder,) = Path("outputs/compare").iterdir()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>Comparison of 8 runs</h1>" in page
    assert "<h2>Sentiment on &lt;reviews&gt;</h2>" in page
    # A run without epochs and parameters has no plots.
    assert sorted(path.name for path in folder.glob("*.png")) == [
        "learning_curves_2.png",
        "pareto_2.png",
    ]


def test_the_score_can_be_chosen(tmp_path: Path) -> None:
    for seed in (1, 2):
        make_run(tmp_path / "r" / str(seed), 0.3, seed=seed, **{"test/mse": 0.1 * seed})
    assert main(["compare", str(tmp_path / "r"), "metric=test/mse", f"output={tmp_path}/o"]) == 0
    groups = pd.read_csv(tmp_path / "o" / "groups.csv")
    assert groups.loc[0, ["metric", "direction", "mean"]].tolist() == [
        "mse",
        "min",
        pytest.approx(0.15),
    ]


def test_only_unfinished_runs_make_a_report_without_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "0", None, state="failed", error="no memory")
    assert main(["compare", str(tmp_path)]) == 0
    assert "No run has a result yet." in capsys.readouterr().out
    assert "no memory" in (tmp_path / "comparison" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "folders of runs or sweeps are needed"),
        (["nowhere"], "no folder 'nowhere'; gru-suite runs lists"),
        (["empty"], "no training run in empty"),
        (["outputs", "metrik=mae"], "no key 'metrik'; did you mean 'metric'?"),
        (["outputs", "metric=mea"], "metric=mea: no run has it on the test part; did you mean"),
        (["outputs", "output="], "output= needs a value"),
        (["outputs", "output=file"], "cannot write into file: it is a file"),
    ],
)
@pytest.mark.usefixtures("sweep")
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("file").touch()
    assert main(["compare", *words]) == 2
    assert message in capsys.readouterr().err
