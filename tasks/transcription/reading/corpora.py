"""Corpora in their published layouts: LibriSpeech, Common Voice, AN4."""

import re
from collections.abc import Callable
from pathlib import Path

from gru_suite.audio.reading.sound_files import is_sound_file
from gru_suite.errors import UserError

from .transcript_tables import read_transcript_table
from .utterances import Parts, Utterances

_COMMON_VOICE = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
_LIBRISPEECH_PARTS = {"train": "train", "dev": "val", "test": "test"}
# NIST SPHERE, which libsndfile reads.
_AN4_SUFFIXES = (".wav", ".sph", ".flac")
_AN4_LINE = re.compile(r"^(?:<s>)?\s*(?P<text>.*?)\s*(?:</s>)?\s*\((?P<name>[^()]+)\)\s*$")


def read_corpus(root: Path, encoding: str) -> Parts:
    """Read a folder in one of the layouts, recognised by its files.

    - LibriSpeech (https://www.openslr.org/12): ``*.trans.txt`` with a line for each utterance and
      sound files beside them; parts by the folders ``train-*``, ``dev-*`` and ``test-*``; the
      speaker is the first number of an utterance's name.
    - Common Voice (https://commonvoice.mozilla.org): ``train.tsv``, ``dev.tsv`` and ``test.tsv``,
      or ``validated.tsv`` alone, with the folder ``clips``; speakers are client ids.
    - AN4 (http://www.speech.cs.cmu.edu/databases/an4): ``etc/*_train.transcription`` and
      ``etc/*_test.transcription``, files below ``wav``; the speaker is a file's folder.

    Args:
        root: the folder.
        encoding: of the text files.

    Raises:
        UserError: no such folder, none of the layouts, or transcripts without recordings.
    """
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder")
    readers: list[tuple[bool, Callable[[Path, str], Parts]]] = [
        ((root / "clips").is_dir() and any(root.glob("*.tsv")), _common_voice),
        (any(root.glob("etc/*_train.transcription")), _an4),
        (next(root.rglob("*.trans.txt"), None) is not None, _librispeech),
    ]
    for fits, read in readers:
        if fits:
            return read(root, encoding)
    found = sorted(each.name for each in root.iterdir())[:8]
    raise UserError(
        f"data.path={root}: found {', '.join(found) or 'nothing'}; needs a table of paths and "
        "transcripts (data.path=table.csv), or a folder of LibriSpeech (*.trans.txt), Common Voice "
        "(train.tsv and clips/) or AN4 (etc/an4_train.transcription)"
    )


def _common_voice(root: Path, encoding: str) -> Parts:
    files = {part: root / name for part, name in _COMMON_VOICE.items() if (root / name).is_file()}
    if "train" not in files:
        files = {"train": root / "validated.tsv"}
    columns = {"path_column": "path", "text_column": "sentence", "group_column": "client_id"}
    return {
        part: read_transcript_table(path, root / "clips", encoding=encoding, **columns)
        for part, path in files.items()
    }


def _librispeech(root: Path, encoding: str) -> Parts:
    parts: Parts = {}
    for listing in sorted(root.rglob("*.trans.txt")):
        folders = [root.name, *listing.relative_to(root).parts]
        starts = [folder.partition("-")[0] for folder in folders]
        part = next((_LIBRISPEECH_PARTS[s] for s in starts if s in _LIBRISPEECH_PARTS), "train")
        sounds = {path.stem: path for path in listing.parent.iterdir() if is_sound_file(path)}
        utterances = parts.setdefault(part, Utterances())
        for number, line in enumerate(listing.read_text(encoding).splitlines(), 1):
            name, _, text = line.partition(" ")
            place = f"{listing.name}: line {number}"
            if not name:
                continue
            path = sounds.get(name, listing.parent / f"{name}.flac")
            utterances.add(path, text.strip(), name.partition("-")[0], place)
    return parts


def _an4(root: Path, encoding: str) -> Parts:
    sounds = {path.stem: path for path in (root / "wav").rglob("*") if path.suffix in _AN4_SUFFIXES}
    parts: Parts = {}
    for part in ("train", "test"):
        for listing in sorted(root.glob(f"etc/*_{part}.transcription")):
            utterances = parts.setdefault(part, Utterances())
            for number, line in enumerate(listing.read_text(encoding).splitlines(), 1):
                found = _AN4_LINE.match(line)
                if found is None:
                    if not line.strip():
                        continue
                    raise UserError(
                        f"{listing}: line {number}: found {line[:60]!r}; needs a transcript and "
                        "the name of a recording in brackets"
                    )
                name = found["name"]
                path = sounds.get(name, root / "wav" / f"{name}.wav")
                utterances.add(
                    path, found["text"], path.parent.name, f"{listing.name}: line {number}"
                )
    if not sounds:
        raise UserError(
            f"{root / 'wav'}: found no files of {', '.join(_AN4_SUFFIXES)}; convert the headerless "
            ".raw files, or take the archive with .sph files"
        )
    return parts
