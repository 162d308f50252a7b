"""The default data set: dates and numbers in ten languages, with ISO dates and digits as targets.

It is made, not collected: the names of months, weekdays and numbers are those of the packages
``babel`` (Unicode's CLDR) and ``num2words``, the dates and numbers are random.
"""

import datetime
import math
import random
import zlib
from collections.abc import Iterator

from gru_suite.data.splits import PARTS
from gru_suite.options import check_count

from ..reading.text_pairs import Parts, TextPairs
from .written_forms import LANGUAGES, WrittenForms, typed

FIRST_YEAR, LAST_YEAR = 1900, 2099
LARGEST_NUMBER = 999_999
MOST_SCORED = 2_000
"""Validation and test pairs at most: scoring them takes a share of the time of a short training."""

MAX_CHARACTERS = 60
"""Longer sources are not used."""

_DATE_SHARE = 0.6
_SHARES = {"train": 0.86, "val": 0.07, "test": 0.07}
# The words of which larger numbers are made.
_ALWAYS_TRAIN = 100


def load_written_dates(count: int = 28_000, seed: int = 0) -> Parts:
    """Make written dates and numbers.

    A source is a date of 1900 to 2099 or a number up to 999,999, as it is written in one of ten
    languages (English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Polish,
    Russian): ``Saturday, April 3, 2021``, ``3 kwi 2021``, ``zwölftausendelf``. Its target is the
    ISO date or the digits: ``2021-04-03``, ``12011``.

    Each date and each number has its part, whatever ``count`` and ``seed`` are, so none is in two.
    Numbers up to 100 are all training pairs, in every language, as far as they fill half of these:
    others are made of their words.
    Forms that are a different date in another language (03/04/2021) come with a weekday.

    Args:
        count: pairs of all parts together.
        seed: of the random choice of dates, numbers, languages and forms.

    Raises:
        UserError: a package is not installed, or ``count`` is below 100.
    """
    check_count("data.count", count, 100)
    forms = WrittenForms()
    sizes = {part: min(round(share * count), MOST_SCORED) for part, share in _SHARES.items()}
    sizes["train"] = count - sizes["val"] - sizes["test"]
    parts = {part: TextPairs() for part in PARTS}
    seen: set[str] = set()
    for part, pairs in parts.items():
        random_state = random.Random(f"{seed} {part}")
        for source, target, place in _candidates(part, sizes[part], forms, random_state):
            if len(pairs) == sizes[part]:
                break
            # The first meaning of a source stays its only one; copies would be in two parts.
            if len(source) > MAX_CHARACTERS or source.casefold() in seen:
                continue
            seen.add(source.casefold())
            pairs.sources.append(source)
            pairs.targets.append(target)
            pairs.places.append(f"{part} pair {len(pairs)} ({place})")
    parts["train"].notes.append(
        f"made, not collected: random dates and numbers in the words of {forms.versions}"
    )
    return parts


def part_of(date_or_number: str) -> str:
    """Return the part of an ISO date or of the digits of a number."""
    if date_or_number.isdecimal() and int(date_or_number) <= _ALWAYS_TRAIN:
        return "train"
    share = zlib.crc32(f"part of {date_or_number}".encode()) / 2**32
    return "test" if share < 0.15 else "val" if share < 0.3 else "train"


def _candidates(
    part: str, size: int, forms: WrittenForms, random_state: random.Random
) -> Iterator[tuple[str, str, str]]:
    """Yield sources of a part, with target and place, without end."""
    if part == "train":
        small = [(number, each) for number in range(_ALWAYS_TRAIN + 1) for each in LANGUAGES]
        if size < 2 * len(small):
            small = random_state.sample(small, size // 2)
        for number, language in small:
            yield forms.number(number, language, random_state), str(number), language
    first = datetime.date(FIRST_YEAR, 1, 1)
    num_days = (datetime.date(LAST_YEAR + 1, 1, 1) - first).days
    while True:
        is_date = random_state.random() < _DATE_SHARE
        day = first + datetime.timedelta(days=random_state.randrange(num_days))
        # Short and long numbers alike: uniform in the logarithm.
        number = int(math.exp(random_state.uniform(0, math.log(LARGEST_NUMBER + 1))))
        language = random_state.choice(LANGUAGES)
        target = day.isoformat() if is_date else str(number)
        if part_of(target) != part:
            continue
        written = (
            forms.date(day, language, random_state)
            if is_date
            else forms.number(number, language, random_state)
        )
        yield typed(written, random_state), target, language
