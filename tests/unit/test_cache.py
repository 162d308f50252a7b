import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gru_suite.data.cache import build_once, cache_folder, content_key
from gru_suite.data.ragged_arrays import RaggedArrays, open_arrays, write_arrays
from gru_suite.data.unreadable_files import check_unreadable, list_unreadable
from gru_suite.errors import UserError

# Arrays of different lengths


def some(count: int = 3) -> list[np.ndarray]:
    return [np.full((n + 1, 2), n, np.int16) for n in range(count)]


def test_arrays_come_back(tmp_path: Path) -> None:
    facts: dict[str, object] = {}

    def made() -> object:
        yield from some()
        facts["late"] = [1, "x"]

    store = write_arrays(tmp_path / "a", made(), "i2", facts, (2,))
    assert store.values_S.shape == (6, 2)
    assert store.length_N.tolist() == [1, 2, 3]
    assert store.facts == {"late": [1, "x"]}
    for number, array in enumerate(some()):
        assert np.array_equal(store.get(number), array)
    empty = write_arrays(tmp_path / "b", [], "f4", {}, (2,))
    assert empty.values_S.shape == (0, 2)


@pytest.mark.parametrize("name", ["values.bin", "index.npz"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_what_was_cut_off_is_not_opened(tmp_path: Path, name: str, share: float) -> None:
    write_arrays(tmp_path, some(), "i2", {}, (2,))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    assert open_arrays(tmp_path) is None
    write_arrays(tmp_path, some(), "i2", {}, (2,))
    assert open_arrays(tmp_path) is not None


def test_nothing_is_left_where_making_fails(tmp_path: Path) -> None:
    def broken() -> object:
        yield np.zeros((2, 2))
        raise ValueError("no more")

    write_arrays(tmp_path, some(), "i2", {}, (2,))
    with pytest.raises(ValueError, match="no more"):
        write_arrays(tmp_path, broken(), "i2", {}, (2,))
    assert open_arrays(tmp_path) is None
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


# Keys and places


def test_a_key_changes_with_content_order_and_settings(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b")]
    for path in files:
        path.write_text(path.name)
    key = content_key(files, "1")
    assert key == content_key(files, "1")
    keys = {
        key,
        content_key(files, "2"),
        content_key(files[::-1], "1"),
        content_key(files[:1], "1"),
    }
    files[0].write_text("c")
    assert len(keys | {content_key(files, "1")}) == 5
    with pytest.raises(UserError, match="none: cannot be opened: No such file"):
        content_key([tmp_path / "none"], "1")


def test_the_cache_is_the_users_or_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("audio", "~/x") == Path.home() / "x"
    if sys.platform not in ("win32", "darwin"):
        monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
        assert cache_folder("audio") == Path("/caches/gru-suite/audio")


# One builder

CHILD = """
import sys
from pathlib import Path
from gru_suite.data.cache import build_once
folder = Path(sys.argv[1])
def opened():
    return (folder / "made").read_text() if (folder / "made").exists() else None
print("got", build_once(folder, opened, lambda: "of the child"), flush=True)
"""


def test_one_process_builds_and_the_other_waits(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    children: list[subprocess.Popen[str]] = []

    def build() -> str:
        command = [sys.executable, "-c", CHILD, str(folder)]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert children[0].stdout is not None
        waiting = children[0].stdout.readline()
        assert waiting.startswith(f"waiting for process {os.getpid()} on ")
        assert str(folder) in waiting
        (folder / "made").write_text("of the parent")
        return "of the parent"

    assert build_once(folder, lambda: None, build) == "of the parent"
    said, _ = children[0].communicate(timeout=60)
    assert said == "got of the parent\n"


def test_what_a_killed_builder_left_is_built_anew(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    code = CHILD.replace(
        'lambda: "of the child"', "lambda: __import__('os').kill(__import__('os').getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)]).returncode
    assert build_once(folder, lambda: None, lambda: "anew") == "anew"


def test_threads_build_once_too(tmp_path: Path) -> None:
    made: list[int] = []

    def opened() -> int | None:
        return made[0] if made else None

    def build() -> int:
        made.append(7)
        return 7

    threads = [
        threading.Thread(target=build_once, args=(tmp_path, opened, build)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [7]


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from gru_suite.data.ragged_arrays import write_arrays
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_arrays(Path(sys.argv[1]), (np.zeros(10_000) for _ in range(100)), "f8", {})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of the size of files is POSIX's")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    done = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert f"UserError: cannot write the cache {folder}: File too large; make room" in last
    assert "data.cache_dir=" in last
    assert not list(folder.iterdir())
    assert isinstance(write_arrays(folder, some(), "i2", {}, (2,)), RaggedArrays)


# Bad files


def test_too_many_bad_files_are_refused() -> None:
    bad = {f"{n}.avi": "empty" for n in range(12)}
    assert list_unreadable(bad).endswith("9.avi (empty), and 2 more")
    check_unreadable(bad, 24, 0.5, "video")
    with pytest.raises(UserError, match=r"12 of 23 video files cannot be read.*0\.avi \(empty\)"):
        check_unreadable(bad, 23, 0.5, "video")
