from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from gru_suite.tasks.translation.reading.text_pairs import TextPairs
from gru_suite.tasks.translation.results.data_summary import summarize
from gru_suite.tasks.translation.results.plots import plot_attention, plot_score_by_length
from gru_suite.tasks.translation.training.metrics import translation_scores


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


def example(num_sources: int, num_targets: int) -> tuple[list[str], list[str], np.ndarray]:
    weights_TS = np.random.default_rng(0).dirichlet(np.ones(num_sources), num_targets)
    sources = [f"source{index}" for index in range(num_sources)]
    return sources, [f"target{index}" for index in range(num_targets)], weights_TS


def test_attention_shows_every_weight_and_token(tmp_path: Path, drawn: list[Figure]) -> None:
    examples = [example(5, 3), example(40, 38)]
    path = plot_attention(tmp_path / "attention.png", examples)
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
    first, second, _ = drawn[0].axes
    for axes, (sources, targets, weights_TS) in zip((first, second), examples, strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == sources
        assert [label.get_text() for label in axes.get_yticklabels()] == targets
        np.testing.assert_array_equal(axes.images[0].get_array(), weights_TS)
    # All labels lie within the figure.
    for axes in (first, second):
        box = axes.get_tightbbox()
        assert box is not None
        assert box.x0 >= 0
        assert box.x1 <= drawn[0].bbox.x1
        assert box.y1 <= drawn[0].bbox.y1


def test_attention_of_long_and_odd_tokens(tmp_path: Path, drawn: list[Figure]) -> None:
    sources = ["$x$", " ", "猫", "Donaudampfschifffahrtsgesellschaft"]
    assert plot_attention(tmp_path / "a.png", [(sources, ["y"], np.full((1, 4), 0.25))])
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert labels == [r"\$x\$", "␣", "猫", "Donaudampfschifff…"]
    assert plot_attention(tmp_path / "b.png", [example(200, 90)])
    assert drawn[1].axes[0].images[0].get_array().shape == (60, 60)  # type: ignore[union-attr]


def test_attention_of_nothing(tmp_path: Path) -> None:
    assert plot_attention(tmp_path / "a.png", [(["x"], [], np.zeros((0, 1)))]) is None
    assert not (tmp_path / "a.png").exists()


def test_score_by_length(tmp_path: Path, drawn: list[Figure]) -> None:
    lengths = [3] * 24 + [5] * 22 + [9, 12] * 7 + [40] * 2
    references = [f"a dog and cat number {index}" for index in range(62)]
    hypotheses = [text if index < 24 else text[::-1] for index, text in enumerate(references)]
    path = plot_score_by_length(tmp_path / "l.png", lengths, hypotheses, references, num_bins=3)
    assert path.read_bytes().startswith(b"\x89PNG")
    axes = drawn[0].axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["3\n24 texts", "5\n22 texts", "9\N{EN DASH}40\n16 texts"]
    heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    assert heights[0] == pytest.approx(100)
    expected = translation_scores(hypotheses[24:46], references[24:46])["chrf"]
    assert heights[1] == pytest.approx(expected)


def test_score_by_one_length(tmp_path: Path, drawn: list[Figure]) -> None:
    plot_score_by_length(tmp_path / "l.png", [4], ["a"], ["a"])
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels()] == ["4\n1 texts"]


def test_summary() -> None:
    train = TextPairs(["a dog", "a big cat"], ["ein Hund", "x"], ["", ""], ["a note"])
    parts = {"train": train, "val": TextPairs(["A  dog"], ["y"], [""]), "test": TextPairs()}
    assert summarize("mine", parts, ["tokens: 9"]) == [
        "mine: train 2, val 1, test 0 pairs",
        "lengths in train: sources 2 words in the median, 3 at most (9 characters), "
        "targets 2 words in the median, 2 at most (8 characters)",
        "tokens: 9",
        "a note",
        "1 of the val sources are training sources too",
    ]
    only_test = {"train": TextPairs(), "val": TextPairs(), "test": train}
    assert "lengths in test" in summarize("mine", only_test)[1]
