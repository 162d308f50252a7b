"""HTML pages beside the files of predictions."""

import os
from pathlib import Path

from gru_suite.files import atomic_path


def write_html_page(path: str | os.PathLike[str], title: str, style: str, body: str) -> Path:
    """Write a page that loads nothing from elsewhere.

    Args:
        path: the HTML file.
        title: of the page, which is its heading too.
        style: CSS.
        body: HTML below the heading.

    Returns:
        The path.
    """
    page = f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
{body}
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def shaded(color: tuple[int, int, int], opacity: float) -> str:
    """Return the CSS of a background, red, green and blue from 0 to 255."""
    return f"background:rgba({','.join(map(str, color))},{opacity:.2f})"
