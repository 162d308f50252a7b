"""Readers of data sets in their published layouts: SST, TREC, TweetEval, folders of files."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from gru_suite.data.tables.text_files import FALLBACK_ENCODING, decode, read_lines
from gru_suite.data.unreadable_files import find_files, others_note
from gru_suite.errors import UserError, nearest

from .labelled_texts import LabelledTexts, Parts
from .tables import read_labelled_table

PART_NAMES = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
TREC_LEVELS = ("coarse", "fine")
_ARCHIVES = (".tar.gz", ".tgz", ".tar")


def read_sst2(folder: Path, encoding: str) -> Parts:
    """Read ``train.tsv``, ``dev.tsv`` and, if published, ``test.tsv``: sentence, tab, 0 or 1."""
    files = _existing_files(folder, {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"})
    return _with_test(
        {part: read_labelled_table(path, 0, 1, False, encoding) for part, path in files.items()}
    )


def read_sst5(folder: Path, encoding: str) -> Parts:
    """Read ``stsa.fine.train``, ``.dev`` and, if published, ``.test``: grade, space, sentence."""
    names = {"train": "stsa.fine.train", "val": "stsa.fine.dev", "test": "stsa.fine.test"}
    files = _existing_files(folder, names)
    return _with_test({part: _read_label_first(path, encoding) for part, path in files.items()})


def read_trec(folder: Path, encoding: str, level: str | None) -> Parts:
    """Read ``train_5500.label`` and ``TREC_10.label``: ``COARSE:fine``, space, question."""
    level = level or "coarse"
    if level not in TREC_LEVELS:
        raise UserError(f"data.subset={level}: no such level of TREC{nearest(level, TREC_LEVELS)}")
    files = _existing_files(folder, {"train": "train_5500.label", "test": "TREC_10.label"})
    parts = {part: _read_label_first(path, encoding) for part, path in files.items()}
    if level == "coarse":
        for part in parts.values():
            part.labels = [label.partition(":")[0] for label in part.labels]
    return parts


def read_tweeteval(folder: Path, encoding: str, task: str | None) -> Parts:
    """Read ``<part>_text.txt`` and ``<part>_labels.txt`` of a task, names from ``mapping.txt``."""
    if task:
        folder = folder / task
    elif not (folder / "train_text.txt").is_file() and folder.is_dir():
        tasks = sorted(each.parent.name for each in folder.glob("*/train_text.txt"))
        if tasks:
            raise UserError(f"{folder}: has several tasks; choose data.subset={'|'.join(tasks)}")
    files = _existing_files(folder, {part: f"{part}_text.txt" for part in ("train", "val", "test")})
    lines, _ = read_lines(_existing_files(folder, {"train": "mapping.txt"})["train"], encoding)
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    names = {pair[0]: pair[-1].strip() for pair in pairs}
    parts = {}
    for part, path in files.items():
        texts, notes = read_lines(path, encoding)
        label_path = folder / f"{part}_labels.txt"
        numbers = [line.strip() for line in read_lines(label_path, encoding)[0]]
        if len(numbers) != len(texts):
            raise UserError(
                f"{path} has {len(texts)} lines and {label_path.name} {len(numbers)}; "
                "each text needs the label on the same line"
            )
        labels = [names.get(number, number) for number in numbers]
        locations = [f"{path.name}: line {line}" for line in range(1, len(texts) + 1)]
        parts[part] = LabelledTexts(texts, labels, locations, notes)
    return _with_test(parts)


def read_folders(path: Path, encoding: str, labels: list[str] | None) -> Parts:
    """Read ``<label>/*.txt`` or ``<part>/<label>/*.txt``.

    Args:
        path: a folder in this layout; one whose only content is such a folder (as ``aclImdb``); or
            a tar archive, which is read without unpacking it.
        encoding: of the texts.
        labels: the folders to read; None reads all.

    Raises:
        UserError: there are no such folders.
    """
    archive = _find_archive(path)
    if archive is None and not path.is_dir():
        raise UserError(f"data.path={path}: no such folder or archive")
    files = _read_archive(archive) if archive else _read_folder(path)
    parts: Parts = {}
    num_fell_back = 0
    others = []
    for location, content in files:
        names = location.split("/")
        part, label = PART_NAMES.get(names[-3], "") if len(names) > 2 else "", names[-2]
        # Files beside the folders of the classes, as train/urls_pos.txt of aclImdb, are no texts.
        if label in PART_NAMES or (labels is not None and label not in labels):
            continue
        if content is None:
            others.append(Path(location))
            continue
        text, fell_back = decode(content, encoding)
        num_fell_back += fell_back
        texts = parts.setdefault(part or "train", LabelledTexts())
        texts.texts.append(text)
        texts.labels.append(label)
        texts.locations.append(location)
    if "train" not in parts:
        wanted = f" called {', '.join(labels)}" if labels else ""
        raise UserError(
            f"data.path={path}: found no training texts; needs train/<label>/*.txt or "
            f"<label>/*.txt with folders{wanted}"
        )
    if num_fell_back:
        note = f"{num_fell_back} files not in {encoding}, read as {FALLBACK_ENCODING}"
        parts["train"].notes.append(note)
    parts["train"].notes += others_note(others, Path(), "text (.txt)")
    return parts


def _read_label_first(path: Path, encoding: str) -> LabelledTexts:
    lines, notes = read_lines(path, encoding)
    rows = [(number, *line.partition(" ")) for number, line in enumerate(lines, 1) if line.strip()]
    return LabelledTexts(
        [text.strip() for *_, text in rows],
        [label for _, label, *_ in rows],
        [f"{path.name}: line {number}" for number, *_ in rows],
        notes,
    )


def _with_test(parts: Parts) -> Parts:
    """Use the dev part as the test part where the test part is not published.

    It is then not the validation part: results on a part that also selects the epoch are biased.
    The caller holds out training texts for validation.
    """
    if "test" not in parts and "val" in parts:
        parts["test"] = parts.pop("val")
        parts["test"].notes.append(
            "no test part here: the official dev part is scored as test, and a part of train is "
            "held out for validation"
        )
    return parts


def _existing_files(folder: Path, names: dict[str, str]) -> dict[str, Path]:
    """Return the paths of the files that exist; the training file must."""
    if not folder.is_dir():
        raise UserError(f"data.path={folder}: no such folder; needs one with {names['train']}")
    if not (folder / names["train"]).is_file():
        found = sorted(each.name for each in folder.iterdir())[:6]
        raise UserError(
            f"data.path={folder}: has no {names['train']}; found {', '.join(found) or 'nothing'}"
        )
    return {part: folder / name for part, name in names.items() if (folder / name).is_file()}


def _find_archive(path: Path) -> Path | None:
    if path.is_file():
        if path.name.endswith(_ARCHIVES):
            return path
        raise UserError(f"{path}: needs a folder, or an archive ending in {', '.join(_ARCHIVES)}")
    if not path.is_dir() or next(path.glob("**/*.txt"), None):
        return None
    archives = sorted(each for each in path.iterdir() if each.name.endswith(_ARCHIVES))
    return archives[0] if len(archives) == 1 else None


def _read_archive(archive: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield name and content of each file in a folder, None for the content of other files."""
    try:
        with tarfile.open(archive) as members:
            for member in members:
                if not member.isfile() or not re.search(r"[^/]+/[^/.][^/]*$", member.name):
                    continue
                file = members.extractfile(member) if member.name.endswith(".txt") else None
                yield member.name, None if file is None else file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive}: not a complete tar archive ({error})") from None


def _read_folder(folder: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield name and content of each file in a folder, None for the content of other files."""
    children = _subfolders(folder)
    if len(children) == 1 and not any(children[0].glob("*.txt")):
        folder = children[0]
    parts = [each for each in sorted(folder.iterdir()) if each.name in PART_NAMES and each.is_dir()]
    for part in parts or [folder]:
        above = f"{part.name}/" if parts else ""
        for label in _subfolders(part):
            texts, others = find_files(label, lambda file: file.suffix == ".txt")
            for file in [*texts, *others]:
                content = file.read_bytes() if file.suffix == ".txt" else None
                yield f"{above}{label.name}/{file.name}", content


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name[:1] != ".")
