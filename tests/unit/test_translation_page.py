import json
import math
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gru_suite.tasks.translation.inference.alignment_page import write_page


@dataclass
class Translation:
    source: str
    text: str
    score: float
    source_words: list[str]
    target_words: list[str]
    attention: list[list[float]]
    alternatives: list[tuple[str, float]] = field(default_factory=list)


DOG = Translation(
    "A <dog>",
    "Ein Hund &",
    -1.234,
    ["A", "<dog>"],
    ["Ein", "Hund", "&"],
    [[0.9, 0.1], [0.05, 0.95], [0.5, 0.5]],
    [("Ein <b>Hund</b>", -2.5)],
)


class Words(HTMLParser):
    """Collects the words of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[str, dict[str, str | None]]] = []
        self._attributes: dict[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._attributes = found if found.get("class") == "word" else None
        assert tag != "b", "an unescaped element of a text"

    def handle_data(self, data: str) -> None:
        if self._attributes is not None:
            self.words.append((data, self._attributes))
            self._attributes = None


def test_words_and_weights(tmp_path: Path) -> None:
    page = write_page(tmp_path / "a.html", [DOG], note="5 < 6").read_text(encoding="utf-8")
    parser = Words()
    parser.feed(page)
    assert [word for word, _ in parser.words] == [*DOG.source_words, *DOG.target_words]
    weights = [json.loads(each["data-weights"] or "") for _, each in parser.words[2:]]
    assert weights == DOG.attention
    assert all(each["tabindex"] == "0" for _, each in parser.words)
    assert "(-1.23)" in page
    assert "Ein &lt;b&gt;Hund&lt;/b&gt;" in page
    assert "5 &lt; 6" in page


def test_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = write_page(tmp_path / "a.html", [DOG]).read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=|url\(|<link|@import", page)


def test_empty_output(tmp_path: Path) -> None:
    page = write_page(tmp_path / "a.html", [Translation("<x>", "", math.nan, [], [], [])])
    text = page.read_text(encoding="utf-8")
    assert '<dd class="source" dir="auto">&lt;x&gt;</dd>' in text
    assert "nan" not in text


def test_attention_of_other_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_page(tmp_path / "a.html", [Translation("x", "y", -1, ["x"], ["y"], [])])
