"""A page of token attributions."""

import html
import os
from collections.abc import Sequence
from pathlib import Path

from gru_suite.files import atomic_path

from .token_attributions import TokenAttributions

# Okabe and Ito's blue and vermilion, apart for every kind of colour blindness.
_FOR, _AGAINST = (0, 114, 178), (213, 94, 0)


def write_page(
    path: str | os.PathLike[str], found: Sequence[TokenAttributions], note: str = ""
) -> Path:
    """Write a page with a line a text, each token coloured by its contribution.

    The colours of a line are relative to its strongest token.

    Args:
        path: the HTML file.
        found: what to show.
        note: a sentence under the heading.
    """
    lines = "\n".join(html_line(each) for each in found)
    page = f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Token importance</title>
<style>
body {{ font: 16px/1.7 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff }}
p {{ border-top: 1px solid #ddd; margin: 0; padding: .5em 0; white-space: pre-wrap }}
p b {{ display: inline-block; min-width: 9em }}
span {{ border-radius: 3px; padding: .1em 0 }}
</style>
<h1>Token importance</h1>
<div>{_sample(_FOR, "speaks for the label")} {_sample(_AGAINST, "speaks against it")}
(integrated gradients; colours relative to the strongest token of a line). {html.escape(note)}</div>
{lines}
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def html_line(found: TokenAttributions) -> str:
    """Return the coloured line of one text."""
    strongest = max((abs(weight) for weight in found.weights), default=0.0) or 1.0
    parts = [f"<p><b>{html.escape(found.label)} {found.probability:.3f}</b> "]
    end = 0
    for (start, stop), weight in zip(found.spans, found.weights, strict=True):
        parts.append(html.escape(found.text[end:start]))
        strength = abs(weight) / strongest
        color = ",".join(map(str, _FOR if weight > 0 else _AGAINST))
        parts.append(
            f'<span style="background:rgba({color},{0.75 * strength:.2f})" title="{weight:+.3f}">'
            f"{html.escape(found.text[start:stop])}</span>"
        )
        end = stop
    parts.append(html.escape(found.text[end:]) + "</p>")
    return "".join(parts)


def _sample(color: tuple[int, int, int], words: str) -> str:
    return f'<span style="background:rgba({",".join(map(str, color))},.5)">{words}</span>'
