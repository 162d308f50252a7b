"""Videos of a folder, with their classes, groups and parts."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gru_suite.data.splits import split_files, split_units
from gru_suite.data.unreadable_files import find_files, others_note
from gru_suite.errors import UserError, nearest
from gru_suite.video.reading.video_files import SUFFIXES, is_video_file

_UCF_VIDEOS, _UCF_LISTS = "UCF-101", "ucfTrainTestlist"
_HMDB_VIDEOS, _HMDB_LISTS = "hmdb51_org", "testTrainMulti_7030_splits"
# v_<class>_g<group>_c<clip>: clips of a group are cut from one recording.
_UCF_GROUP = re.compile(r"_(g\d+)_c\d+$")
# <recording>_<class>_<visible parts>_<camera>_np<people>_<viewpoint>_<quality>_<clip>.
_HMDB_GROUP = re.compile(r"^(.*)_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+$")
_HMDB_PARTS = {"0": None, "1": "train", "2": "test"}
_MAX_NAMED = 10


class Video(NamedTuple):
    """A video file and its annotation.

    Attributes:
        path: the file.
        name: its path below the folder of the videos, with forward slashes.
        label: its class.
        group: recording, person or other group that a split keeps together; may be empty.
        part: train, val or test; empty before the split.
    """

    path: Path
    name: str
    label: str
    group: str
    part: str


class Corpus(NamedTuple):
    """A folder of videos.

    Attributes:
        videos: in a fixed order.
        labels: the classes.
        notes: notes for the user, such as missing videos.
    """

    videos: list[Video]
    labels: list[str]
    notes: list[str]


def list_ucf101(root: Path, split: int) -> Corpus:
    """List a folder in the layout of UCF101: ``UCF-101/<class>/`` and ``ucfTrainTestlist/``.

    Raises:
        UserError: a folder or list is missing, or a line of a list is invalid.
    """
    videos = _subfolder(root, _UCF_VIDEOS, "the videos of UCF101")
    lists = _subfolder(root, _UCF_LISTS, "the lists of UCF101", f"trainlist0{split}.txt")
    labels = [line.split()[-1] for _, line in _lines(lists / "classInd.txt")]
    listed = []
    for part in ("train", "test"):
        path = lists / f"{part}list0{split}.txt"
        for number, line in _lines(path):
            label = _ucf_class(line, labels, f"{path}, line {number}")
            name = line.rsplit(maxsplit=1)[0] if re.search(r"\s\d+$", line) else line
            found = _UCF_GROUP.search(Path(name).stem)
            group = f"{label} {found.group(1)}" if found else ""
            listed.append(Video(videos / name, name, label, group, part))
    return _present(listed, labels, f"split {split}", root)


def _ucf_class(line: str, labels: Sequence[str], where: str) -> str:
    """Return the class of a line like ``<class>/<file> <number of the class>``."""
    words = line.split()
    label = words[0].partition("/")[0]
    if label not in labels:
        raise UserError(
            f"{where}: {line!r} is of the class {label!r}, which classInd.txt does not have"
            + nearest(label, labels)
        )
    if len(words) > 1 and words[-1] != str(labels.index(label) + 1):
        raise UserError(
            f"{where}: {line!r} says class {words[-1]}; in classInd.txt {label} is number "
            f"{labels.index(label) + 1}"
        )
    return label


def list_hmdb51(root: Path, split: int) -> Corpus:
    """List a folder in the layout of HMDB51: ``<class>/`` and ``testTrainMulti_7030_splits/``.

    Raises:
        UserError: a folder or list is missing, or a line of a list is invalid.
    """
    videos = _subfolder(root, _HMDB_VIDEOS, "the videos of HMDB51")
    ending = f"_test_split{split}.txt"
    lists = _subfolder(root, _HMDB_LISTS, "the lists of HMDB51", f"*{ending}")
    labels = sorted(path.name.removesuffix(ending) for path in lists.glob(f"*{ending}"))
    listed = []
    for label in labels:
        path = lists / f"{label}{ending}"
        for number, line in _lines(path):
            name, _, kind = line.rpartition(" ")
            if kind not in _HMDB_PARTS:
                raise UserError(
                    f"{path}, line {number}: {line!r} must end in 0, 1 or 2 (unused, train, test)"
                )
            part = _HMDB_PARTS[kind]
            found = _HMDB_GROUP.match(Path(name).stem)
            if part is not None:
                stem = found.group(1).removesuffix(f"_{label}") if found else ""
                name, group = f"{label}/{name.strip()}", f"{label} {stem}" if stem else ""
                listed.append(Video(videos / name, name, label, group, part))
    return _present(listed, labels, f"split {split}", root)


def list_folders(root: Path) -> Corpus:
    """List a folder with one subfolder per class, without parts.

    Raises:
        UserError: no such folder, no class in it, or a class without videos.
    """
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder; a folder for each class is needed")
    videos: list[Video] = []
    others: list[Path] = []
    for folder in _class_folders(root):
        files, left_out = find_files(folder, is_video_file)
        others += left_out
        if not files:
            raise UserError(
                f"{folder}: no video in the folder of this class ({', '.join(SUFFIXES)}); fill it "
                "or remove it"
            )
        names = [path.relative_to(root).as_posix() for path in files]
        videos += [Video(p, n, folder.name, "", "") for p, n in zip(files, names, strict=True)]
    if not videos:
        raise UserError(f"data.path={root}: holds no folder; a folder for each class is needed")
    notes = others_note(others, root, "video")
    return Corpus(videos, sorted({each.label for each in videos}), notes)


def list_parts(root: Path, table: str = "parts.csv") -> Corpus:
    """List a folder with one subfolder per class and a table of file, part and figure."""
    with (root / table).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    videos = [
        Video(root / r["file"], r["file"], r["file"].partition("/")[0], r["figure"], r["part"])
        for r in rows
    ]
    return Corpus(videos, sorted({each.label for each in videos}), [])


def split_folders(
    videos: Sequence[Video], group_regex: str | None, fractions: Sequence[float]
) -> list[Video]:
    """Return videos with groups and parts (:func:`gru_suite.data.splits.split_files`)."""
    names, labels = [each.name for each in videos], [each.label for each in videos]
    found = split_files(names, labels, group_regex, fractions, "data.fractions")
    return [
        each._replace(group=group, part=part)
        for each, (group, part) in zip(videos, found, strict=True)
    ]


def hold_out(videos: Sequence[Video], val_fraction: float) -> list[Video]:
    """Return videos with whole groups of each class moved from training to validation.

    Args:
        videos: of official lists, which have training and test only.
        val_fraction: share of the training videos of each class.
    """
    units: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in videos:
        if each.part == "train":
            units[each.label][each.group or each.name].append(each.name)
    part_of: dict[str, str] = {}
    for label, by_group in units.items():
        part_of |= split_units(list(by_group.values()), {"val": val_fraction}, label)
    return [each._replace(part=part_of.get(each.name, each.part)) for each in videos]


def check_trained(videos: Iterable[Video], labels: Sequence[str]) -> None:
    """Check that every class has a training video.

    Raises:
        UserError: a class has no video in training.
    """
    count = Counter(each.label for each in videos if each.part == "train")
    without = [label for label in labels if not count[label]]
    if without:
        raise UserError(
            f"no readable training video of the class {_first_of(without)}; add some, or remove "
            "the class"
        )


def _present(listed: Sequence[Video], labels: Sequence[str], lists: str, root: Path) -> Corpus:
    """Return the listed videos that exist, with notes on missing ones."""
    there = [each for each in listed if each.path.is_file()]
    missing = [each.name for each in listed if not each.path.is_file()]
    if not there:
        first = f", such as {listed[0].path}" if listed else ""
        raise UserError(f"data.path={root}: none of the {len(listed)} listed videos exist{first}")
    notes = []
    if missing:
        notes.append(
            f"missing {len(missing):,} of the {len(listed):,} videos of {lists}: "
            + _first_of(missing)
        )
    found = {each.label for each in there}
    without = [label for label in labels if label not in found]
    if without:
        notes.append(f"classes without any video, left out: {_first_of(without)}")
    return Corpus(there, [label for label in labels if label in found], notes)


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(islice(names, _MAX_NAMED)) + more


def _class_folders(root: Path) -> list[Path]:
    folders = root.iterdir() if root.is_dir() else iter(())
    return sorted(path for path in folders if path.is_dir() and path.name[:1] not in "._")


def _subfolder(root: Path, name: str, what: str, holding: str | None = None) -> Path:
    """Return a folder of the official layout; it may also be the data set's folder itself."""
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder; it must hold {what}")
    for folder in (root / name, root):
        if folder.is_dir() and (holding is None or any(folder.glob(holding))):
            return folder
    raise UserError(f"data.path={root}: {what} are missing: no {name}/{holding or ''} in it")


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the non-empty lines of a list, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such list; it belongs to the official layout") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from error
    lines = (line.strip().replace("\\", "/") for line in text.splitlines())
    return [(number, line) for number, line in enumerate(lines, 1) if line]
