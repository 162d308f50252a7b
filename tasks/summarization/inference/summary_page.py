"""HTML page of documents with their sentences shaded by score."""

import html
import os
from collections.abc import Sequence
from pathlib import Path

from gru_suite.text.html_page import shaded, write_html_page

from .summaries import Summary

# Blue of Okabe and Ito.
_SHADE = (0, 114, 178)
_STRONGEST = 0.55
_STYLE = f"""
body {{ font: 16px/1.6 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff }}
article {{ border-top: 1px solid #ddd; padding: 1em 0 }}
h2 {{ font-size: 1.05em; margin: 0 0 .6em }}
p {{ margin: 0 }}
span {{ border-radius: 3px; padding: .1em 0 }}
mark {{ color: inherit; border-bottom: 3px solid rgb({",".join(map(str, _SHADE))});
  font-weight: 600 }}
"""


def write_page(path: str | os.PathLike[str], summaries: Sequence[Summary], note: str = "") -> Path:
    """Write a page with a document each: its summary, then its sentences shaded by score.

    Args:
        path: the HTML file.
        summaries: the documents, in this order.
        note: a sentence below the heading.
    """
    articles = "\n".join(html_article(each) for each in summaries)
    legend = f"""<div>Sentences of the summary are bold and underlined; the deeper the shade, the
higher the score, relative to the highest of the document. {html.escape(note)}</div>"""
    return write_html_page(path, "Summaries", _STYLE, f"{legend}\n{articles}")


def html_article(summary: Summary) -> str:
    """Return the shaded document of one summary."""
    if not summary.sentences:
        return "<article><h2>(empty document)</h2></article>"
    largest = max(summary.scores) or 1.0
    chosen = set(summary.chosen)
    sentences = []
    for place, (text, score) in enumerate(zip(summary.sentences, summary.scores, strict=True)):
        tag = "mark" if place in chosen else "span"
        sentences.append(
            f'<{tag} style="{shaded(_SHADE, _STRONGEST * score / largest)}" '
            f'title="sentence {place + 1}: {score:.3f}">{html.escape(text)}</{tag}>'
        )
    return f"<article><h2>{html.escape(summary.summary)}</h2><p>{' '.join(sentences)}</p></article>"
