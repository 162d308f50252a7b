"""Documentation of installed packages as documents and summaries, the embedded data.

A document is the prose in the docstring of a class or function without its first sentence, and the
summary is that sentence. The other sentences are in a random order: in their own, the first one of
them is nearly always the best, and there would be nothing to learn. It is made, not written by
people who summarise: it shows that the task works, and its figures say little about other texts.
They also depend on the installed versions.
"""

import ast
import random
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from gru_suite.errors import UserError

from ..reading.documents import Document, Documents
from ..reading.sentences import split_sentences

PACKAGES = (
    *(
        "torch",
        "torchvision",
        "torchaudio",
        "pytorch_lightning",
        "lightning_fabric",
        "torchmetrics",
    ),
    *("hydra", "omegaconf", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "rich"),
    *("networkx", "jinja2", "fsspec", "joblib", "packaging", "PIL"),
)
"""What this package needs, and what that needs: names of the import packages."""

MIN_SENTENCES, MAX_SENTENCES = 3, 30
_MIN_SUMMARY_WORDS, _MAX_SUMMARY_WORDS = 4, 40
_MIN_WORDS = 4

_KEPT_SECTIONS = ("Notes", "Note", "Explanation", "Description")

# Folders whose docstrings describe tests, copies of other packages, or nothing for users.
_LEFT_OUT = ("tests", "test", "testing", "include", "lib", "bin", "vendored", "externals")
_DIRECTIVE = re.compile(r"^\s*(?:\.\. |>>> |:\w+|\.\.\. |@)")
_UNDERLINE = re.compile(r"^\s*([=\-~^\"'`#*+])\1{2,}\s*$")
_SECTION = re.compile(r"^\s*[A-Z][\w /]{0,30}:\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s|^\s*[\w*., ]{1,40}\s*(?:\([^)]*\))?\s*: ")
_ROLE = re.compile(r":[\w:+.-]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`")
_TICKS = re.compile(r"``?([^`]+)``?_*")
_MATH = re.compile(r"[\\{}]|\$\$|\|")


def read_package_docs(max_documents: int | None = None, seed: int = 0) -> Documents:
    """Read the documentation of those of ``PACKAGES`` that are installed, without importing them.

    Docstrings with one text are read once, and so are those with one summary within a package. The
    group of a document is its package.

    Args:
        max_documents: most documents of the result, drawn at random; None takes all.
        seed: of the draw.

    Raises:
        UserError: there are none.
    """
    documents = Documents(list(_all_documents()))
    if not len(documents):
        raise UserError(
            "found no documentation of installed packages with a description; give data=documents "
            "and data.path"
        )
    if max_documents is not None and max_documents < len(documents):
        rows = random.Random(seed).sample(range(len(documents)), max_documents)
        documents = documents.select(sorted(rows))
    counts = Counter(document.group for document in documents.items)
    largest = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(5))
    documents.notes.append(
        f"made of docstrings of {len(counts)} installed packages ({largest}, ...): the first "
        "sentence is the summary of the rest, which is shuffled"
    )
    return documents


@lru_cache(1)
def _all_documents() -> tuple[Document, ...]:
    """Return the documents of all packages, read once in a process."""
    found: list[Document] = []
    seen: set[str] = set()
    for package in PACKAGES:
        for name, docstring in _docstrings(package):
            document = as_document(docstring, name, package)
            if document is None:
                continue
            # Copies are in another order.
            text = " ".join(sorted(document.sentences))
            keys = {text, f"{package} {document.references[0]}"}
            if not keys & seen:
                seen |= keys
                found.append(document)
    return tuple(found)


def as_document(docstring: str, name: str, package: str) -> Document | None:
    """Return the prose in a docstring, split into its first sentence and the shuffled rest.

    Args:
        docstring: as ``ast`` gives it.
        name: of its class or function, for messages.
        package: its group.

    Returns:
        None where the description is too short, or is no prose.
    """
    sentences = [
        sentence
        for paragraph in prose_paragraphs(docstring)
        for sentence in split_sentences(paragraph)
    ]
    if not sentences:
        return None
    summary, *rest = sentences
    rest = [each for each in rest if _is_sentence(each)][:MAX_SENTENCES]
    words = len(summary.split())
    if len(rest) < MIN_SENTENCES or not _MIN_SUMMARY_WORDS <= words <= _MAX_SUMMARY_WORDS:
        return None
    # By the name, so that the order is the same in every process.
    random.Random(name).shuffle(rest)
    return Document(rest, [summary], location=name, group=package)


def _is_sentence(text: str) -> bool:
    """Return whether a text is long enough and ends as a sentence, not as a line before a list."""
    return len(text.split()) >= _MIN_WORDS and text.rstrip("\"')]")[-1:] in {".", "!", "?"}


def prose_paragraphs(docstring: str) -> list[str]:
    """Return the paragraphs of prose in the description and its notes, without reST markup.

    Left out are all sections but notes and explanations (``Parameters``, ``Args:``), directives,
    examples, lists, tables, quotes in a deeper indentation and paragraphs with formulas.
    """
    kept: list[str] = []
    wanted = True
    for block in re.split(r"\n\s*\n", textwrap.dedent(docstring).strip()):
        lines = block.split("\n")
        if len(lines) > 1 and _UNDERLINE.match(lines[1]):
            wanted = lines[0].strip() in _KEPT_SECTIONS
            lines = lines[2:]
        elif any(_SECTION.match(line) or _UNDERLINE.match(line) for line in lines):
            wanted = False
        if not wanted or not lines:
            continue
        # A docstring's first line has no indentation of its own.
        indented = any(line[:1].isspace() for line in (lines if kept else lines[1:]))
        if indented or any(_DIRECTIVE.match(line) or _ITEM.match(line) for line in lines):
            continue
        text = " ".join(line.strip() for line in lines)
        text = _TICKS.sub(r"\1", _ROLE.sub(r"\1", text)).replace("**", "").replace("::", ".")
        if not _MATH.search(text):
            kept.append(text)
    return kept


def _docstrings(package: str) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of each public class, function and method of a package."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(next(iter(spec.submodule_search_locations)))
    for path in _modules(root):
        inside = path.relative_to(root)
        content = path.read_bytes()
        if b'"""' not in content:
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError):
            continue
        module = ".".join((package, *inside.with_suffix("").parts)).removesuffix(".__init__")
        yield from _of_scope(tree, module)


def _modules(folder: Path) -> Iterator[Path]:
    """Yield the modules of a package in a fixed order, but for those of private folders."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _LEFT_OUT and not path.name.startswith(("_", ".")):
                yield from _modules(path)
        elif path.suffix == ".py" and not path.name.startswith("test_"):
            yield path


def _of_scope(scope: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, str]]:
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        own = f"{name}.{node.name}"
        if docstring := ast.get_docstring(node):
            yield own, docstring
        if isinstance(node, ast.ClassDef):
            yield from _of_scope(node, own)
