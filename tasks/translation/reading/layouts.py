"""Data sets of pairs in their published layout."""

from pathlib import Path

from gru_suite.errors import UserError, nearest

from .aligned_files import read_aligned_files
from .text_pairs import Parts

_MULTI30K_FILES = {"train": "train", "val": "val", "test": "test_2016_flickr"}
# Of the repository multi30k/dataset, from its root and from below.
_MULTI30K_FOLDERS = ("", "data/task1/raw", "task1/raw", "raw")


def read_multi30k(folder: Path, source: str, target: str, encoding: str = "utf-8") -> Parts:
    """Read Multi30k (Elliott et al. 2016, arXiv 1605.00459): captions of photographs.

    Args:
        folder: with ``train.<language>``, ``val.<language>`` and ``test_2016_flickr.<language>``,
            gzipped or not; or the root of the repository multi30k/dataset.
        source: language code, such as ``en``.
        target: language code, such as ``de``.
        encoding: of the files.

    Returns:
        ``train`` (29,000 pairs), ``val`` (1,014) and ``test`` (1,000: test_2016_flickr).

    Raises:
        UserError: no such folder, a file is missing, or a language is not there.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it needs the files of Multi30k")
    if source == target:
        raise UserError(
            f"data.source and data.target are both {source!r}; two languages are needed"
        )
    root = next((folder / each for each in _MULTI30K_FOLDERS if _languages(folder / each)), folder)
    languages = _languages(root)
    if not languages:
        raise UserError(f"{folder}: found no train.<language> or train.<language>.gz")
    for option, language in (("data.source", source), ("data.target", target)):
        if language not in languages:
            listed = ", ".join(languages)
            raise UserError(
                f"{option}={language}: {root} has no train.{language}; its languages are {listed}"
            )
    return {
        part: read_aligned_files(
            _find(root, f"{name}.{source}"), _find(root, f"{name}.{target}"), encoding
        )
        for part, name in _MULTI30K_FILES.items()
    }


def _languages(folder: Path) -> list[str]:
    return sorted({path.name.split(".")[1] for path in folder.glob("train.*") if path.is_file()})


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    names = sorted(path.name for path in folder.iterdir())
    raise UserError(f"{folder / name}: no such file, nor with .gz{nearest(name, names)}")
