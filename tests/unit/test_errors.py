"""The hint that names the nearest right thing."""

import pytest

from gru_suite.errors import UserError, closest, nearest


@pytest.mark.parametrize(
    ("name", "choices", "hint"),
    [
        ("tmp", ["temp", "wind"], "; did you mean 'temp'?"),
        ("Temp", ["temp", "wind"], "; did you mean 'temp'?"),
        ("TEMP", ["Temp"], "; did you mean 'Temp'?"),
        ("xyz", ["temp", "wind"], "; choose one of temp, wind"),
        ("xyz", ["temp", "temp"], "; choose one of temp"),
        ("xyz", [], ""),
        ("", ["a"], "; choose one of a"),
    ],
)
def test_nearest_names_one_or_lists_all(name: str, choices: list[str], hint: str) -> None:
    assert nearest(name, choices) == hint


def test_nearest_lists_at_most_ten() -> None:
    hint = nearest("nothing", [f"c{i:02}" for i in range(12)])
    assert (
        hint == "; choose one of " + ", ".join(f"c{i:02}" for i in range(10)) + ", ... (12 in all)"
    )


def test_closest_is_none_when_nothing_is_close() -> None:
    assert closest("abc", ["xyz"]) is None


def test_user_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="the file is empty"):
        raise UserError("the file is empty")
