import builtins
import datetime
import random
import re
from typing import Any

import pytest

from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError
from gru_suite.tasks.translation.reading.text_pairs import Parts
from gru_suite.tasks.translation.samples.written_dates import (
    MAX_CHARACTERS,
    load_written_dates,
    part_of,
)
from gru_suite.tasks.translation.samples.written_forms import LANGUAGES, WrittenForms, typed


@pytest.fixture(scope="module")
def parts() -> Parts:
    return load_written_dates(4000, 1)


@pytest.fixture(scope="module")
def forms() -> WrittenForms:
    return WrittenForms()


def test_sizes_and_lengths(parts: Parts) -> None:
    assert [len(parts[part]) for part in PARTS] == [3440, 280, 280]
    for pairs in parts.values():
        assert len(pairs.targets) == len(pairs.places) == len(pairs)
        assert max(map(len, pairs.sources)) <= MAX_CHARACTERS
    assert "made, not collected" in parts["train"].notes[0]


def test_no_date_or_number_is_in_two_parts(parts: Parts) -> None:
    targets = {part: set(parts[part].targets) for part in PARTS}
    assert not targets["train"] & (targets["val"] | targets["test"])
    assert not targets["val"] & targets["test"]
    # Nor with other pairs by another seed.
    other = load_written_dates(2000, 2)
    assert not set(other["test"].targets) & targets["train"]
    assert set(other["test"].targets) - targets["test"]


def test_same_seed_same_pairs(parts: Parts) -> None:
    again = load_written_dates(4000, 1)
    assert again == parts
    assert load_written_dates(4000, 2)["train"].sources != parts["train"].sources


def test_a_source_occurs_once(parts: Parts) -> None:
    sources = [source.casefold() for part in PARTS for source in parts[part].sources]
    assert len(set(sources)) == len(sources)


def test_targets_are_iso_dates_and_digits(parts: Parts) -> None:
    dates = 0
    for pairs in parts.values():
        for target in pairs.targets:
            if "-" in target:
                dates += 1
                assert 1900 <= datetime.date.fromisoformat(target).year <= 2099
            else:
                assert target.isdecimal()
                assert int(target) <= 999_999
    assert 0.4 < dates / 4000 < 0.7


def test_small_numbers_are_training_pairs(parts: Parts) -> None:
    assert {part_of(str(number)) for number in range(101)} == {"train"}
    written = dict(zip(parts["train"].sources, parts["train"].targets, strict=True))
    assert {written[word] for word in ("dreizehn", "treize", "trzynaście", "тринадцать")} == {"13"}
    shares = [part_of(str(number)) for number in range(1000, 21_000)]
    assert 0.13 < shares.count("test") / len(shares) < 0.17


@pytest.mark.parametrize("language", LANGUAGES)
def test_written_dates_have_their_numbers(forms: WrittenForms, language: str) -> None:
    random_state = random.Random(3)
    for day in (datetime.date(2021, 3, 1), datetime.date(1984, 12, 23)):
        for _ in range(60):
            text = forms.date(day, language, random_state)
            numbers = [int(number) for number in re.findall(r"\d+", text)]
            # In words, or day and year, or with the month.
            assert sorted(numbers) in (
                [],
                sorted([day.day, day.year]),
                sorted([day.day, day.month, day.year]),
            )
            if "/" in text:
                assert re.match(r"[^\W\d]", text), "no weekday says the language"


def test_known_forms(forms: WrittenForms) -> None:
    def of_date(language: str) -> set[str]:
        random_state = random.Random(0)
        day = datetime.date(2021, 4, 3)
        return {forms.date(day, language, random_state) for _ in range(300)}

    assert {"Saturday, April 3, 2021", "April 3rd, 2021", "Saturday 04/03/2021"} <= of_date("en")
    assert {"3. April 2021", "der dritte April zweitausendeinundzwanzig"} <= of_date("de")
    assert {"samedi 03/04/2021", "le trois avril deux mille vingt et un"} <= of_date("fr")
    assert "3 апреля 2021" in of_date("ru")
    random_state = random.Random(0)
    numbers = {forms.number(1984, "en", random_state) for _ in range(100)}
    assert numbers == {
        "1,984",
        "nineteen eighty-four",
        "one thousand, nine hundred and eighty-four",
    }


def test_typed_changes_case_only() -> None:
    random_state = random.Random(0)
    forms_of_text = {typed("3 April", random_state) for _ in range(100)}
    assert forms_of_text == {"3 April", "3 april", "3 APRIL"}


def test_few_pairs_are_not_all_small_numbers() -> None:
    few = load_written_dates(100)
    assert [len(few[part]) for part in PARTS] == [86, 7, 7]
    assert sum("-" in target for target in few["train"].targets) > 15


def test_impossible_counts() -> None:
    with pytest.raises(UserError, match=r"data\.count=10: a whole number of at least 100"):
        load_written_dates(10)


@pytest.mark.parametrize("missing", ["babel.dates", "num2words"])
def test_missing_packages(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r'pip install "gru-suite\[samples\]"'):
        load_written_dates(2000)
