"""The docs site builds without a warning, and its pages load nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a browser loads with a page; links to other sites are no part of it.
_LOADED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)"
)
_MAX_PICTURE, _MAX_PICTURES = 200_000, 800_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"needs {package}: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loaded = {url for page in pages for url in _LOADED.findall(page.read_text(encoding="utf-8"))}
    assert loaded == set()
    styles = "".join(each.read_text(encoding="utf-8") for each in site.rglob("*.css"))
    assert not re.search(r"url\(\"?https?:|@import", styles)


def test_docstrings_have_no_roles(site: Path) -> None:
    for page in ("reference", "backbone"):
        assert ":class:" not in (site / page / "index.html").read_text(encoding="utf-8")


def test_pictures_are_small() -> None:
    sizes = [each.stat().st_size for each in (ROOT / "docs" / "pictures").iterdir()]
    assert max(sizes) < _MAX_PICTURE
    assert sum(sizes) < _MAX_PICTURES
