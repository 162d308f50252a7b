"""The report as one HTML file: inline style and images, no scripts, nothing from elsewhere."""

import base64
import re
from collections.abc import Iterable
from datetime import datetime
from html import escape

from gru_suite.results.comparison.documents import (
    Block,
    Heading,
    ImageBlock,
    Paragraph,
    TableBlock,
)

# Characters of a word that may break, and of a text whose column must not be narrow.
_LONG_WORD, _LONG_TEXT = 24, 40
_STYLE = """\
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1c1c1e; --soft: #5d5f66; --line: #dcdee3; --shade: #f5f6f8;
  --best: #e3f3ea; --mark: #00694c; --accent: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #17181b; --text: #e8e9ec; --soft: #a3a6ae; --line: #383b42; --shade: #212328;
    --best: #1a3a2e; --mark: #7fd6b2; --accent: #6cb8ea;
  }
  /* The plots are drawn on white: turned dark with hues kept. */
  figure img { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 4px; }
h2 {
  font-size: 1.3rem; line-height: 1.3; margin: 44px 0 8px; padding-top: 20px;
  border-top: 1px solid var(--line); overflow-wrap: anywhere;
}
h3 { font-size: 1.03rem; margin: 32px 0 8px; }
p { margin: 8px 0; max-width: 46rem; overflow-wrap: anywhere; }
p.made { color: var(--soft); font-size: 0.9rem; }
p.lead { font-size: 1.05rem; }
.scroll {
  overflow-x: auto; margin: 12px 0; border: 1px solid var(--line); border-radius: 8px;
}
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: 0.9rem; }
th, td {
  padding: 8px 12px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
}
thead th {
  background: var(--shade); color: var(--soft); font-weight: 600; vertical-align: bottom;
}
tbody tr:last-child > * { border-bottom: 0; }
/* The names stay in sight while the numbers scroll. */
th:first-child { position: sticky; left: 0; background: var(--page); }
thead th:first-child { background: var(--shade); }
tbody th { font-weight: 500; min-width: 8rem; max-width: 24rem; overflow-wrap: break-word; }
td.text { overflow-wrap: break-word; max-width: 26rem; }
.number {
  text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; min-width: 0;
}
tr.muted > * { color: var(--soft); }
tr.best > * { background: var(--best); }
tr.best > th { font-weight: 700; color: var(--text); }
.tag { color: var(--mark); font-size: 0.8rem; font-weight: 700; white-space: nowrap; }
td.long { min-width: 15rem; }
summary { cursor: pointer; color: var(--accent); }
figure { margin: 16px 0 28px; max-width: 720px; }
figure img { width: 100%; height: auto; display: block; border-radius: 8px; }
.plot { overflow-x: auto; }
figcaption { color: var(--soft); font-size: 0.9rem; margin-top: 6px; }
@media (max-width: 600px) {
  main { padding: 16px 14px 48px; }
  h1 { font-size: 1.4rem; }
  th, td { padding: 7px 9px; }
  tbody th { max-width: 13.5rem; }
  /* Narrower, the texts in it would be illegible. */
  .plot img { min-width: 540px; }
}
@media print { .scroll { overflow: visible; } }
"""


def render_html(blocks: Iterable[Block], made: datetime) -> str:
    """Return a report as an HTML page that needs no other file.

    Args:
        blocks: its content; the first heading is the title.
        made: when the comparison was made.
    """
    listed = list(blocks)
    title = next((block.text for block in listed if isinstance(block, Heading)), "Comparison")
    body = "\n".join(_render(block) for block in listed)
    first, _, rest = body.partition("</h1>\n")
    when = f'<p class="made">GRU Suite, {made:%Y-%m-%d %H:%M}</p>'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{first}</h1>\n{when}\n{rest}\n</main>\n</body>\n</html>\n"
    )


def _render(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        opening = '<p class="lead">' if block.is_lead else "<p>"
        return f"{opening}{escape(block.text)}</p>"
    if isinstance(block, ImageBlock):
        return _render_image(block)
    return _render_table(block)


def _render_image(block: ImageBlock) -> str:
    data = base64.b64encode(block.path.read_bytes()).decode("ascii")
    caption = escape(block.caption)
    return (
        f'<figure><div class="plot"><img alt="{caption}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _render_table(block: TableBlock) -> str:
    heads = "".join(
        f'<th scope="col"{_class(block, column)}>{escape(text)}</th>'
        for column, text in enumerate(block.headers)
    )
    rows = "".join(_render_row(block, index, row) for index, row in enumerate(block.rows))
    # A box that scrolls must be reachable by keyboard.
    box = (
        '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    if not block.is_folded:
        return box
    return f"<details><summary>{len(block.rows)} rows</summary>{box}</details>"


def _render_row(block: TableBlock, index: int, row: tuple[str, ...]) -> str:
    is_best = index in block.best
    names = " ".join(["best"] * is_best + ["muted"] * (index in block.muted))
    tag = ' <span class="tag">best</span>' if is_best else ""
    cells = "".join(
        f"<td{_class(block, column)}>{_breakable(text)}</td>"
        for column, text in enumerate(row)
        if column
    )
    opening = f'<tr class="{names}">' if names else "<tr>"
    return f'{opening}<th scope="row">{_breakable(row[0])}{tag}</th>{cells}</tr>'


def _breakable(text: str) -> str:
    """Escape a text and let long words, options and paths, break behind their signs."""
    return "".join(
        re.sub(r"(?<=[._/=])(?=\w)", "<wbr>", escape(word))
        if len(word) > _LONG_WORD
        else escape(word)
        for word in re.split(r"(\s+)", text)
    )


def _class(block: TableBlock, column: int) -> str:
    if column == 0:
        return ""
    if column >= block.num_text:
        return ' class="number"'
    is_long = any(len(row[column]) > _LONG_TEXT for row in block.rows)
    return ' class="text long"' if is_long else ' class="text"'
