"""English voices of espeak-ng, split into train, val and test."""

import random

_SEED = 2018
ACCENTS = (
    *("en", "en-us", "en-029", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan"),
    *("en-gb-x-gbcwmd", "en-us-nyc"),
)
# Without whispers, robots and demons, and one of each group of similar voices.
VOICES = (
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo"),
    *("Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Reed", "adam", "anika"),
    *("announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed"),
    *("edward", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave", "ian", "iven"),
    *("john", "kaukovalta", "klatt3", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob"),
    *("robert", "sandro", "shelby", "steph", "travis", "victor", "zac"),
)


def part_of_voice() -> dict[str, str]:
    """Return the part of each voice; no voice is in two parts."""
    order = sorted(VOICES)
    random.Random(_SEED).shuffle(order)
    tenth = round(0.15 * len(order))
    parts = ["test"] * tenth + ["val"] * tenth + ["train"] * (len(order) - 2 * tenth)
    return dict(zip(order, parts, strict=True))
