"""Hooks of mkdocs: docstrings in the idiom of Sphinx become plain HTML."""

import re
from typing import Any

# :class:`Name`, with or without the module that mkdocstrings cannot resolve.
_ROLE = re.compile(r":(?:class|func|mod|meth):(?=<code>)")
# The same within a literal block, which keeps its backquotes.
_LITERAL_ROLE = re.compile(r":(?:class|func|mod|meth):`([^`\n]+)`")


def on_page_content(html: str, **_: Any) -> str:
    """Remove the roles of cross-references, and the double colons before literal blocks."""
    html = _LITERAL_ROLE.sub(r"\1", _ROLE.sub("", html))
    return html.replace("::</p>", ":</p>")
