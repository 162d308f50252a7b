"""Download of the official archives."""

import hashlib
import http.client
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from gru_suite.errors import UserError, nearest
from gru_suite.files import make_folder

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60


class Archive(NamedTuple):
    """An archive to download.

    Attributes:
        url: its address.
        sha256: checksum of its content.
    """

    url: str
    sha256: str


_SERVER = "http://download.tensorflow.org/data"
ARCHIVES = {
    "v0.01": Archive(
        f"{_SERVER}/speech_commands_v0.01.tar.gz",
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    ),
    "v0.02": Archive(
        f"{_SERVER}/speech_commands_v0.02.tar.gz",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
}


def archive(version: str) -> Archive:
    """Return the official archive of a version.

    Raises:
        UserError: there is no such version.
    """
    if version not in ARCHIVES:
        raise UserError(f"data.version={version}: no such version{nearest(version, ARCHIVES)}")
    return ARCHIVES[version]


def fetch(source: Archive, folder: Path) -> None:
    """Download an archive, check it and extract it to ``folder``, completely or not at all.

    Args:
        source: a ``.tar.gz`` and its checksum.
        folder: must not exist or be empty.

    Raises:
        UserError: no network, another content than expected, or the folder holds something.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"data.path={folder}: is not empty, so nothing was fetched into it")
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        file, content = Path(temporary) / "archive.tar.gz", Path(temporary) / "content"
        _download(source, file)
        content.mkdir()
        try:
            with tarfile.open(file) as packed:
                # The filter rejects members with paths outside the folder.
                packed.extractall(content, filter="data")
        except tarfile.TarError as error:
            raise UserError(f"{source.url}: cannot be unpacked: {error}") from error
        if folder.is_dir():
            folder.rmdir()
        os.replace(content, folder)


def _download(source: Archive, file: Path) -> None:
    digest = hashlib.sha256()
    print(f"fetching {source.url}", flush=True)
    try:
        with (
            urllib.request.urlopen(source.url, timeout=_TIMEOUT_SECONDS) as response,
            file.open("wb") as target,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{source.url}: cannot be fetched: {reason}; fetch it elsewhere, unpack it and name "
            "the folder with data.path="
        ) from error
    if digest.hexdigest() != source.sha256:
        raise UserError(
            f"{source.url}: was not what it should be (sha256 {digest.hexdigest()}, expected "
            f"{source.sha256}); nothing was unpacked"
        )
