"""Dates and numbers as people write them in ten languages."""

import datetime
import random
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from gru_suite.errors import UserError

INSTALL = 'pip install "gru-suite[samples]"'

# Patterns of CLDR (unicode.org/reports/tr35/tr35-dates.html), beside its own full, long and medium
# formats. Slashes stand for day and month in either order, so a weekday says the language there.
_PATTERNS = {
    "en": (
        "d MMMM y",
        "MMMM d y",
        "EEE, d MMM y",
        "EEEE, MMMM d, y",
        "d MMM, y",
        "EEEE MM/dd/yyyy",
        "EEE M/d/yyyy",
    ),
    "de": (
        "d. MMMM y",
        "d. MMM y",
        "EEE, d. MMM y",
        "'am' d. MMMM y",
        "d.M.yyyy",
        "EEE dd.MM.yyyy",
    ),
    "fr": ("'le' d MMMM y", "EEE d MMM y", "'le' EEEE d MMMM y", "EEEE dd/MM/yyyy"),
    "es": ("d 'de' MMMM 'del' y", "d MMMM y", "EEEE d 'de' MMMM y", "EEE d/M/yyyy"),
    "it": ("'il' d MMMM y", "EEE d MMM y", "EEEE d MMMM y", "EEEE dd/MM/yyyy"),
    "pt": ("'dia' d 'de' MMMM y", "d MMM y", "EEEE, d MMMM y", "EEE, dd/MM/yyyy"),
    "nl": ("'op' d MMMM y", "EEE d MMM y", "EEEE d MMMM y", "dd-MM-yyyy"),
    "sv": ("'den' d MMMM y", "EEE d MMM y", "EEEE 'den' d MMMM y", "d.M.yyyy"),
    "pl": ("d MMMM y 'r.'", "EEE, d MMM y", "'dnia' d MMMM y", "dd.MM.yyyy"),
    "ru": ("d MMMM y", "EEE, d MMM y", "EEEE d MMMM y 'года'", "dd.MM.yyyy"),
}
LANGUAGES = tuple(_PATTERNS)
"""Codes of the ten languages."""

_CLDR_FORMATS = ("full", "long", "medium")
# With the day as a word, ordinal or cardinal as the language has it; Polish and Russian inflect it,
# which num2words does not.
_IN_WORDS = {
    "en": "the {ordinal} of {month} {year}",
    "de": "der {ordinal} {month} {year}",
    "fr": "le {cardinal} {month} {year}",
    "es": "el {cardinal} de {month} de {year}",
    "it": "il {cardinal} {month} {year}",
    "pt": "{cardinal} de {month} de {year}",
    "nl": "{cardinal} {month} {year}",
    "sv": "den {ordinal} {month} {year}",
}
_FIRST = {"fr": "premier", "it": "primo", "es": "primero", "pt": "primeiro"}
# Languages in which num2words reads years otherwise than numbers.
_WITH_YEARS = ("en", "de")


class WrittenForms:
    """Forms of a date or a number in a language, chosen at random.

    Attributes:
        versions: of the packages that have the names of months and numbers.
    """

    def __init__(self) -> None:
        """Import the packages.

        Raises:
            UserError: one of them is not installed.
        """
        try:
            from babel.dates import format_date
            from babel.numbers import format_decimal
            from num2words import num2words  # type: ignore[import-untyped]
        except ImportError as error:
            raise UserError(
                f"data=written_dates needs the package {error.name}, which is not installed:\n"
                f"{INSTALL}"
            ) from None
        self._format_date: Callable[..., str] = format_date
        self._format_decimal: Callable[..., str] = format_decimal
        self._num2words: Callable[..., Any] = num2words
        self.versions = ", ".join(f"{name} {version(name)}" for name in ("babel", "num2words"))

    def date(self, day: datetime.date, language: str, random_state: random.Random) -> str:
        """Return a date in one of the forms of a language."""
        forms = [*_CLDR_FORMATS, *_PATTERNS[language]]
        if language in _IN_WORDS:
            forms += ["words"]
        if language == "en":
            forms += ["MMMM {day}, y", "{day} MMMM y", "'the' {day} 'of' MMMM y"]
        form = random_state.choice(forms)
        if form == "words":
            return self._date_in_words(day, language)
        form = form.replace("{day}", f"d'{_ordinal_suffix(day.day)}'")
        return _clean(self._format_date(day, form, locale=language))

    def number(self, number: int, language: str, random_state: random.Random) -> str:
        """Return a whole number in words, or with separators of thousands."""
        kind = random_state.choice(("words",) * 8 + ("separators", "year"))
        if kind == "separators" and number >= 1000:
            return _clean(self._format_decimal(number, locale=language))
        if kind == "year" and 1100 <= number < 2100:
            return self._year(number, language)
        return _clean(self._num2words(number, lang=language))

    def _date_in_words(self, day: datetime.date, language: str) -> str:
        ordinal = self._num2words(day.day, lang=language, to="ordinal")
        cardinal = self._num2words(day.day, lang=language)
        return _clean(
            _IN_WORDS[language].format(
                ordinal=ordinal,
                cardinal=_FIRST.get(language, cardinal) if day.day == 1 else cardinal,
                month=self._format_date(day, "MMMM", locale=language),
                year=self._year(day.year, language),
            )
        )

    def _year(self, year: int, language: str) -> str:
        to = "year" if language in _WITH_YEARS else "cardinal"
        return _clean(self._num2words(year, lang=language, to=to))


def typed(text: str, random_state: random.Random) -> str:
    """Return a text in the case in which somebody may type it: mostly as it is."""
    return random_state.choice((text,) * 6 + (text.lower(),) * 3 + (text.upper(),))


def _ordinal_suffix(day: int) -> str:
    if day in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _clean(text: str) -> str:
    # CLDR has narrow and non-breaking spaces, which nobody types.
    return " ".join(text.split())
