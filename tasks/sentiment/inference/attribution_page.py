"""HTML page of token attributions."""

import html
import os
from collections.abc import Sequence
from pathlib import Path

from gru_suite.text.html_page import shaded, write_html_page

from .token_attributions import TokenAttributions

# Blue and vermilion of Okabe and Ito, distinct in every kind of colour blindness.
_FOR, _AGAINST = (0, 114, 178), (213, 94, 0)
_STYLE = """
body { font: 16px/1.7 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff }
p { border-top: 1px solid #ddd; margin: 0; padding: .5em 0; white-space: pre-wrap }
p b { display: inline-block; min-width: 9em }
span { border-radius: 3px; padding: .1em 0 }
"""


def write_page(
    path: str | os.PathLike[str], explained: Sequence[TokenAttributions], note: str = ""
) -> Path:
    """Write a page with a line a text, each token coloured by its attribution.

    The colours of a line are relative to its largest attribution.

    Args:
        path: the HTML file.
        explained: the texts, a line each.
        note: a sentence below the heading.
    """
    lines = "\n".join(html_line(each) for each in explained)
    legend = f"""<div>{_legend(_FOR, "for the label")} {_legend(_AGAINST, "against it")}
(integrated gradients; colours relative to the largest of a line). {html.escape(note)}</div>"""
    return write_html_page(path, "Token attributions", _STYLE, f"{legend}\n{lines}")


def html_line(explained: TokenAttributions) -> str:
    """Return the coloured line of one text."""
    text = explained.text
    largest = max(map(abs, explained.attributions), default=0.0) or 1.0
    elements = [f"<p><b>{html.escape(explained.label)} {explained.probability:.3f}</b> "]
    end = 0
    for (start, stop), value in zip(explained.offsets, explained.attributions, strict=True):
        elements.append(html.escape(text[end:start]))
        shade = shaded(_FOR if value > 0 else _AGAINST, 0.75 * abs(value) / largest)
        elements.append(
            f'<span style="{shade}" title="{value:+.3f}">{html.escape(text[start:stop])}</span>'
        )
        end = stop
    elements.append(html.escape(text[end:]) + "</p>")
    return "".join(elements)


def _legend(color: tuple[int, int, int], words: str) -> str:
    return f'<span style="{shaded(color, 0.5)}">{words}</span>'
