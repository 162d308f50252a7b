"""Index of a shard: its records and their places, counted once and kept in the cache.

Shapes: N records.
"""

import hashlib
import json
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.data.cache import in_threads
from gru_suite.errors import UserError
from gru_suite.files import atomic_path

# To be increased when the same shards have another index.
_FORMAT = 1
# As WebDataset has it: the key ends at the first dot of the file's name.
_MEMBER = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")
_LABEL_SUFFIX, _MAX_LABEL_BYTES = "cls", 1000
_MAX_LENGTHS = 64

Inspect = Callable[[bytes, str], Any]
"""From a media file and its suffix to its length, or a list that ends in it.

Raises ValueError for a damaged one.
"""


class ShardIndex(NamedTuple):
    """The records of a shard.

    Attributes:
        path: the tar file.
        names: key and suffix of each.
        labels: the class of each.
        offset_N: first byte of each in the (uncompressed) archive.
        size_N: bytes.
        facts: of each, from :data:`Inspect`.
    """

    path: Path
    names: list[str]
    labels: list[str]
    offset_N: NDArray[np.int64]
    size_N: NDArray[np.int64]
    facts: list[Any]


class ShardSummary(NamedTuple):
    """What is kept in memory of a shard.

    Attributes:
        path: the tar file.
        index_file: of its :class:`ShardIndex`.
        label_counts: number of records by class.
        bad: reason of each damaged member by its name.
        facts: of some records, from the shortest to the longest.
    """

    path: Path
    index_file: Path
    label_counts: dict[str, int]
    bad: dict[str, str]
    facts: list[Any]


def summarize(
    shards: Sequence[Path], cache: Path, suffixes: Sequence[str], inspect: Inspect, settings: str
) -> list[ShardSummary]:
    """Return the summaries of shards; those not in the cache are read once, in threads.

    Args:
        shards: tar files.
        cache: folder of indices; each is named by path, size and time of its shard.
        suffixes: of media files, with their dots.
        inspect: returns the facts of a media file.
        settings: of ``inspect``, part of the name.

    Raises:
        UserError: a shard cannot be read, or the cache not be written.
    """

    def index_of(shard: Path) -> Path:
        try:
            stat = shard.stat()
        except OSError as error:
            raise UserError(f"{shard}: cannot be opened: {error.strerror or error}") from error
        place = [_FORMAT, str(shard.resolve()), stat.st_size, stat.st_mtime_ns, settings]
        name = hashlib.blake2b(json.dumps(place).encode(), digest_size=16).hexdigest()
        return cache / f"index-{name}.json"

    missing = [each for each in shards if not index_of(each).is_file()]
    if missing:
        print(f"indexing {len(missing):,} of {len(shards):,} shards into {cache}", flush=True)
    for shard, found in zip(
        missing, in_threads(lambda path: _scan(path, suffixes, inspect), missing), strict=True
    ):
        _write(index_of(shard), *found)
    return [_summary(shard, index_of(shard)) for shard in shards]


def read_index(summary: ShardSummary) -> ShardIndex:
    """Return the records of a shard."""
    content = json.loads(summary.index_file.with_suffix(".records").read_text(encoding="utf-8"))
    return ShardIndex(
        summary.path,
        content["names"],
        content["labels"],
        np.array(content["offsets"], np.int64),
        np.array(content["sizes"], np.int64),
        content["facts"],
    )


def _summary(shard: Path, index: Path) -> ShardSummary:
    content = json.loads(index.read_text(encoding="utf-8"))
    return ShardSummary(shard, index, content["counts"], content["bad"], content["some"])


def _write(index: Path, records: dict[str, list[Any]], bad: dict[str, str]) -> None:
    facts = records["facts"]
    chosen = np.linspace(0, len(facts) - 1, min(len(facts), _MAX_LENGTHS)).astype(int).tolist()
    some = sorted(facts, key=_length)
    summary = {
        "counts": Counter(records["labels"]),
        "bad": bad,
        "some": [some[number] for number in chosen],
    }
    for path, content in ((index.with_suffix(".records"), records), (index, summary)):
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")


def _length(facts: Any) -> float:
    return float(facts[-1] if isinstance(facts, list) else facts)


def _scan(
    shard: Path, suffixes: Sequence[str], inspect: Inspect
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Return the records of a shard as lists, and the reasons of damaged ones."""
    keys = ("names", "labels", "offsets", "sizes", "facts")
    records: dict[str, list[Any]] = {key: [] for key in keys}
    bad: dict[str, str] = {}
    try:
        for media, label in _samples(shard, {each.lstrip(".") for each in suffixes}):
            name, offset, content = media
            if not label:
                bad[name] = "has no class: neither a .cls file nor a folder"
                continue
            try:
                facts = inspect(content, Path(name).suffix.lower())
            except ValueError as error:
                bad[name] = str(error)
                continue
            values = (name, label, offset, len(content), facts)
            for key, value in zip(keys, values, strict=True):
                records[key].append(value)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not records["names"]:
            raise UserError(f"{shard}: not readable as a tar file ({reason})") from None
        # Of a shard that is cut off, the records before are used.
        bad[shard.name] = f"cut off after {len(records['names']):,} records ({reason})"
    return records, bad


def _samples(
    shard: Path, suffixes: set[str]
) -> Iterator[tuple[tuple[str, int, bytes], str | None]]:
    """Yield name, offset and content of each media file, and its class."""
    key, media, label = "", None, None
    with tarfile.open(shard) as archive:
        while (member := archive.next()) is not None:
            # tarfile would keep all of them.
            archive.members = []  # type: ignore[attr-defined]
            match = _MEMBER.fullmatch(member.name.removeprefix("./"))
            if match is None or not member.isreg():
                continue
            if match[1] != key:
                if media is not None:
                    yield media, label or _folder(key)
                key, media, label = match[1], None, None
            suffix = match[2].lower().rpartition(".")[2]
            wanted = suffix == _LABEL_SUFFIX or suffix in suffixes
            file = archive.extractfile(member) if wanted else None
            content = b"" if file is None else file.read()
            if suffix == _LABEL_SUFFIX:
                label = content[:_MAX_LABEL_BYTES].decode("utf-8", "replace").strip()
            elif wanted:
                if len(content) < member.size:
                    raise EOFError(f"{member.name} is cut off")
                media = (f"{match[1]}.{match[2]}", member.offset_data, content)
    if media is not None:
        yield media, label or _folder(key)


def _folder(key: str) -> str | None:
    parts = key.split("/")
    return parts[-2] if len(parts) > 1 else None
