import sys
from pathlib import Path

import pytest

from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "scores.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("a,b\n")
        assert temporary.suffix == ".csv"
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "a,b\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("written", [True, False])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException], written: bool
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            if written:
                temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    with atomic_path(path) as first, atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot make the folder .*below: Not a directory"):
        make_folder(tmp_path / "file" / "below")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: it is a file, a folder is needed"):
        make_folder(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that root cannot write to")
def test_a_read_only_folder_is_named() -> None:
    # Not by chmod, which does not hold root back.
    with pytest.raises(UserError, match="/proc"), atomic_path("/proc/scores.csv"):
        pytest.fail("the block must not run")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder"), atomic_path(tmp_path):
        pytest.fail("the block must not run")
    assert list(tmp_path.iterdir()) == []


def test_make_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "a" / "b")
    assert made.is_dir()
    assert make_folder(made) == made
    assert list(made.iterdir()) == []
