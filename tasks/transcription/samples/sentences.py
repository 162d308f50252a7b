"""Sentences of dates, times, numbers and household commands."""

import random
from typing import Any

from gru_suite.errors import UserError

INSTALL = 'pip install "gru-suite[samples]"'
ROOMS = ("kitchen", "bedroom", "bathroom", "living room", "hall", "garage", "office", "garden")
DEVICES = ("lights", "lamp", "heating", "fan", "radio", "television", "coffee machine", "oven")
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EVENTS = ("meeting", "dinner", "dentist", "train", "lesson", "concert", "call", "party")
PEOPLE = ("anna", "peter", "maria", "john", "my mother", "the doctor", "the school", "the office")
SHOPPING = ("bread", "milk", "eggs", "apples", "coffee", "rice", "butter", "soap", "tea", "cheese")


class Sentences:
    """Random sentences, in lower case without punctuation."""

    def __init__(self) -> None:
        """Import what spells numbers.

        Raises:
            UserError: num2words is not installed.
        """
        try:
            from num2words import num2words  # type: ignore[import-untyped]
        except ImportError:
            raise UserError(f"numbers in words need the package num2words: {INSTALL}") from None
        self._num2words: Any = num2words

    def draw(self, state: random.Random) -> str:
        """Return a sentence."""
        kind = state.choice(
            (
                *(self._command, self._temperature, self._timer, self._date, self._digits),
                *(self._sum, self._shopping, self._call),
            )
        )
        return " ".join(kind(state).split())

    def number(self, value: int, kind: str = "cardinal") -> str:
        """Return a number in words: ``cardinal`` or ``ordinal``."""
        words = str(self._num2words(value, lang="en", to=kind))
        return words.replace("-", " ").replace(",", "")

    def _command(self, state: random.Random) -> str:
        verb = state.choice(("turn on", "turn off", "switch on", "switch off"))
        please = state.choice(("", "", "please"))
        return f"{please} {verb} the {state.choice(DEVICES)} in the {state.choice(ROOMS)}"

    def _temperature(self, state: random.Random) -> str:
        degrees = self.number(state.randint(5, 30))
        return f"set the {state.choice(ROOMS)} to {degrees} degrees"

    def _timer(self, state: random.Random) -> str:
        unit = state.choice(("minutes", "hours", "seconds"))
        return f"set a timer for {self.number(state.randint(2, 90))} {unit}"

    def _date(self, state: random.Random) -> str:
        day = self.number(state.randint(1, 28), "ordinal")
        when = state.choice((f"on {state.choice(DAYS)}", f"on the {day} of {state.choice(MONTHS)}"))
        return f"the {state.choice(EVENTS)} is {when} at {self._time(state)}"

    def _time(self, state: random.Random) -> str:
        hour, minute = self.number(state.randint(1, 12)), state.randint(1, 59)
        return state.choice(
            (
                f"half past {hour}",
                f"quarter to {hour}",
                f"{hour} {self.number(minute) if minute > 9 else 'o ' + self.number(minute)}",
                f"{hour} in the morning",
            )
        )

    def _digits(self, state: random.Random) -> str:
        digits = " ".join(self.number(state.randrange(10)) for _ in range(state.randint(3, 7)))
        return f"dial {digits}"

    def _sum(self, state: random.Random) -> str:
        first, second = self.number(state.randint(1, 999)), self.number(state.randint(1, 99))
        return f"what is {first} {state.choice(('plus', 'minus', 'times'))} {second}"

    def _shopping(self, state: random.Random) -> str:
        number = self.number(state.randint(2, 12))
        first, second = state.sample(SHOPPING, 2)
        return f"add {first} and {number} packs of {second} to the list"

    def _call(self, state: random.Random) -> str:
        verb = state.choice(("call", "send a message to", "remind me to call"))
        return f"{verb} {state.choice(PEOPLE)} {state.choice(('', 'on ' + state.choice(DAYS)))}"
