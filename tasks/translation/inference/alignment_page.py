"""HTML page of translations, with the attention between their words on hover and focus."""

import html
import math
import os
from collections.abc import Sequence
from pathlib import Path

from gru_suite.text.html_page import write_html_page

from .translations import Translation

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1b2127; --muted: #55606b;
  --border: #d5dae0; --shade: 11 92 173; --accent: #0b5cad }
@media (prefers-color-scheme: dark) { :root { --page: #12161b; --text: #e6eaee; --muted: #a2aeba;
  --border: #313b46; --shade: 124 184 248; --accent: #86bdf7 } }
body { font: 16px/1.6 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  color: var(--text); background: var(--page) }
h1 { font-size: 1.5em; margin: 0 }
section { border-top: 1px solid var(--border); padding: .8em 0 }
dl { display: grid; grid-template-columns: 6.5em 1fr; gap: .2em 1em; margin: 0 }
dt { color: var(--muted) }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere }
.word { border-radius: 3px; padding: .15em .1em; cursor: default;
  background: rgb(var(--shade) / var(--weight, 0)) }
.word:focus-visible, .word.chosen { outline: 2px solid var(--accent); outline-offset: 1px }
.note, .weights { color: var(--muted) }
.weights { min-height: 1.6em; margin: .3em 0; font-size: .9em }
ol { margin: 0; padding: 0; list-style: none }
.score { color: var(--muted); font-variant-numeric: tabular-nums; font-size: .9em;
  white-space: nowrap }
@media (max-width: 36em) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .4em } }
"""
# The shade of a word is its weight relative to the largest of the words that the chosen one has.
_SCRIPT = """
for (const section of document.querySelectorAll("section")) {
  const sides = ["source", "target"].map(
    (side) => [...section.querySelectorAll(`.${side} .word`)]);
  const [sources, targets] = sides;
  const rows = targets.map((word) => JSON.parse(word.dataset.weights));
  const line = section.querySelector(".weights");
  const hint = line.textContent;
  const words = sides.flat();
  const clear = () => {
    for (const word of words) {
      word.style.removeProperty("--weight");
      word.classList.remove("chosen");
    }
    line.textContent = hint;
  };
  const show = (word) => {
    clear();
    word.classList.add("chosen");
    const isTarget = targets.includes(word);
    const others = isTarget ? sources : targets;
    const weights = isTarget ? rows[targets.indexOf(word)]
      : rows.map((row) => row[sources.indexOf(word)]);
    const largest = Math.max(...weights, 1e-9);
    others.forEach((other, i) =>
      other.style.setProperty("--weight", (0.45 * weights[i] / largest).toFixed(3)));
    const best = weights.map((weight, i) => [weight, others[i].textContent])
      .sort((a, b) => b[0] - a[0]).filter(([weight]) => weight >= 0.01).slice(0, 3);
    line.textContent = `${word.textContent} ${isTarget ? "\u2190" : "\u2192"} ` +
      best.map(([weight, text]) => `${text} ${weight.toFixed(2)}`).join(", ");
  };
  for (const word of words) {
    word.addEventListener("mouseenter", () => show(word));
    word.addEventListener("focus", () => show(word));
    word.addEventListener("blur", clear);
    word.addEventListener("mouseleave", () => {
      const focused = words.find((each) => each === document.activeElement);
      if (focused) show(focused); else clear();
    });
  }
}
"""


def write_page(
    path: str | os.PathLike[str], translations: Sequence[Translation], note: str = ""
) -> Path:
    """Write a page with a section for each translation: source, output and alternatives.

    A word under the pointer or with the keyboard's focus shades the words of the other side by
    their attention; the three largest weights are shown as numbers. Nothing is loaded from
    elsewhere.

    Args:
        path: the HTML file.
        translations: a section each.
        note: a sentence below the heading.
    """
    sections = "\n".join(_section(each) for each in translations)
    hint = f"""<p class="note">Point at a word, or move to it with the Tab key, to shade the words
of the other side by attention. Scores are log-probabilities, divided by a power of the number of
tokens: higher is better. {html.escape(note)}</p>"""
    body = f"{hint}\n{sections}\n<script>{_SCRIPT}</script>"
    return write_html_page(path, "Translations", _STYLE, body)


def _section(translation: Translation) -> str:
    weights = [
        "[" + ",".join(f"{weight:.3f}" for weight in row) + "]" for row in translation.attention
    ]
    sources = " ".join(_word(word) for word in translation.source_words)
    targets = " ".join(
        _word(word, f' data-weights="{row}"')
        for word, row in zip(translation.target_words, weights, strict=True)
    )
    others = "\n".join(
        f'<li dir="auto">{html.escape(text)} {_score(score)}</li>'
        for text, score in translation.alternatives
    )
    alternatives = f"<dt>Alternatives</dt><dd><ol>{others}</ol></dd>" if others else ""
    return f"""<section>
<dl>
<dt>Source</dt><dd class="source" dir="auto">{sources or html.escape(translation.source)}</dd>
<dt>Output</dt><dd class="target" dir="auto">{targets or html.escape(translation.text)}
{_score(translation.score)}</dd>
{alternatives}
</dl>
<p class="weights" aria-live="polite"></p>
</section>"""


def _word(word: str, attributes: str = "") -> str:
    return f'<span class="word" tabindex="0"{attributes}>{html.escape(word)}</span>'


def _score(score: float) -> str:
    return "" if math.isnan(score) else f'<span class="score">({score:.2f})</span>'
