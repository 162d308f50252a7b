"""Recordings of a folder, with their words, speakers and parts."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gru_suite.audio.reading.sound_files import SUFFIXES, is_sound_file
from gru_suite.data.splits import split_files
from gru_suite.data.unreadable_files import find_files, others_note
from gru_suite.errors import UserError

NOISE_FOLDER = "_background_noise_"
LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}
# The official rule's constants: 10 % each for validation and test.
_MAX_PER_CLASS = 2**27 - 1
_PERCENT = 10.0


class Recording(NamedTuple):
    """A sound file and its annotation.

    Attributes:
        path: the file.
        name: its path below the data set's folder, with forward slashes.
        word: its class: the folder's name.
        group: speaker or another group that must not be split; empty where unknown.
        part: train, val or test; empty before the split.
    """

    path: Path
    name: str
    word: str
    group: str
    part: str


class Corpus(NamedTuple):
    """A folder of recordings.

    Attributes:
        recordings: in a fixed order.
        noises: files of background noise.
        notes: for the summary, such as files that are not read.
    """

    recordings: list[Recording]
    noises: list[Path]
    notes: list[str]

    @property
    def words(self) -> list[str]:
        """Words with recordings, sorted."""
        return sorted({each.word for each in self.recordings})


def official_part(file_name: str) -> str:
    """Return the part of a Speech Commands file by the hash of its speaker.

    This is ``which_set`` of the data set's README: all files of a speaker have the same part.
    """
    digest = hashlib.sha1(speaker_of(file_name).encode(), usedforsecurity=False).hexdigest()
    percent = (int(digest, 16) % (_MAX_PER_CLASS + 1)) * (100.0 / _MAX_PER_CLASS)
    if percent < _PERCENT:
        return "val"
    return "test" if percent < 2 * _PERCENT else "train"


def speaker_of(file_name: str) -> str:
    """Return the speaker of a file name like ``5170b77f_nohash_4.wav``; else the name itself."""
    return re.sub(r"_nohash_.*$", "", Path(file_name).name)


def list_speech_commands(
    root: Path, hint: str = "data.download=true fetches the official archive into it"
) -> Corpus:
    """List a folder in the layout of Speech Commands.

    ``validation_list.txt`` and ``testing_list.txt`` list the files of their parts; where one is
    missing, the hash of the speaker determines the part.

    Args:
        root: the folder.
        hint: what to do where it is not there, for the message.

    Raises:
        UserError: no such folder, no word in it, or a list that fits none of its files.
    """
    files, notes = _class_files(root, hint)
    names = {path: path.relative_to(root).as_posix() for path in files}
    listed = {part: _read_list(root / name) for part, name in LISTS.items()}
    for part, entries in listed.items():
        if entries and not entries & set(names.values()):
            raise UserError(
                f"{root / LISTS[part]}: names none of the {len(files)} sound files in {root}; its "
                f"first line is {min(entries)!r}, a file is {names[files[0]]!r}"
            )

    def part_of(path: Path) -> str:
        for part, entries in listed.items():
            if entries is not None and names[path] in entries:
                return part
        by_hash = official_part(path.name)
        return by_hash if listed.get(by_hash, set()) is None else "train"

    recordings = [
        Recording(
            path, names[path], names[path].partition("/")[0], speaker_of(path.name), part_of(path)
        )
        for path in files
    ]
    return Corpus(recordings, _noise_files(root), notes)


def list_folders(root: Path) -> Corpus:
    """List a folder with one subfolder per class, without parts.

    Raises:
        UserError: no such folder or no class in it.
    """
    files, notes = _class_files(root, "a folder for each class is needed")
    names = {path: path.relative_to(root).as_posix() for path in files}
    recordings = [
        Recording(path, name, name.partition("/")[0], "", "") for path, name in names.items()
    ]
    return Corpus(recordings, _noise_files(root), notes)


def split_recordings(
    recordings: Sequence[Recording], group_regex: str | None, split: Sequence[float]
) -> list[Recording]:
    """Return recordings with speakers and parts; the split is deterministic.

    Args:
        recordings: of any parts.
        group_regex: regular expression of the speaker in a name; see
            :func:`gru_suite.data.splits.split_files`.
        split: shares of training, validation and test.

    Raises:
        UserError: a pattern that cannot work, shares that do not add up, or too few groups.
    """
    names, words = [each.name for each in recordings], [each.word for each in recordings]
    found = split_files(names, words, group_regex, split)
    return [
        each._replace(group=group, part=part)
        for each, (group, part) in zip(recordings, found, strict=True)
    ]


def _class_files(root: Path, hint: str) -> tuple[list[Path], list[str]]:
    """Return the sound files of the classes, and a note on other files in their folders."""
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder; {hint}")
    files: list[Path] = []
    others: list[Path] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and p.name[:1] not in "._"):
        found, left_out = find_files(folder, is_sound_file)
        files += found
        others += left_out
    notes = others_note(others, root, "sound file")
    if not files:
        suffixes = ", ".join(SUFFIXES)
        found_instead = "".join(f"; {note}" for note in notes)
        raise UserError(
            f"data.path={root}: no folder in it holds sound files ({suffixes}); "
            f"{hint}{found_instead}"
        )
    return files, notes


def _noise_files(root: Path) -> list[Path]:
    folder = root / NOISE_FOLDER
    return find_files(folder, is_sound_file)[0] if folder.is_dir() else []


def _read_list(path: Path) -> set[str] | None:
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.strip().replace("\\", "/") for line in lines if line.strip()}
