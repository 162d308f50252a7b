import pytest

from gru_suite.tasks.summarization.reading.sentences import split_sentences

CASES = [
    ("It rained. We left.", ["It rained.", "We left."]),
    ("Dr. Smith paid 3.14 dollars. He left.", ["Dr. Smith paid 3.14 dollars.", "He left."]),
    ("J. R. R. Tolkien wrote it. It sold.", ["J. R. R. Tolkien wrote it.", "It sold."]),
    ("This is plan B. The plan works.", ["This is plan B.", "The plan works."]),
    ("The U.S. Army came. It left.", ["The U.S. Army came.", "It left."]),
    ("He lives in the U.S. The state is big.", ["He lives in the U.S.", "The state is big."]),
    ("See Fig. 3 and Sec. 4.2. We thank them.", ["See Fig. 3 and Sec. 4.2.", "We thank them."]),
    (
        "Use e.g. Adam, i.e. SGD, etc. The rest holds.",
        ["Use e.g. Adam, i.e. SGD, etc.", "The rest holds."],
    ),
    ("Smith et al. (2017) agree. So do we.", ["Smith et al. (2017) agree.", "So do we."]),
    ("No. 5 is alive. I said no. Then I left.", ["No. 5 is alive.", "I said no.", "Then I left."]),
    ('"Why?" he asked. "Go away!" She left.', ['"Why?" he asked.', '"Go away!"', "She left."]),
    ("(He stayed.) It rained.", ["(He stayed.)", "It rained."]),
    (
        "Wait... What? No!! And then... it ended.",
        ["Wait...", "What?", "No!!", "And then... it ended."],
    ),
    ("At 5 p.m. on Monday it ended. We left.", ["At 5 p.m. on Monday it ended.", "We left."]),
    ("A heading\n\nA line\nthat goes on. End.", ["A heading", "A line that goes on.", "End."]),
    ("A heading\r\n\r\nWindows.", ["A heading", "Windows."]),
    (
        "1. The first. It is good.\n2. The second.",
        ["1. The first.", "It is good.", "2. The second."],
    ),
    ("\u96e8\u3060\u3002\u96ea\u3060\uff01", ["\u96e8\u3060\u3002", "\u96ea\u3060\uff01"]),
    ("Visit www.a.org. It works", ["Visit www.a.org.", "It works"]),
    ("Version 2.0 is out. 6 were lost.", ["Version 2.0 is out.", "6 were lost."]),
    ("no capital. none here", ["no capital. none here"]),
    ("\u00abOui.\u00bb Non.", ["\u00abOui.\u00bb", "Non."]),
    ("", []),
    (" \n\t\n ", []),
    ("Hello", ["Hello"]),
    ("!!!", ["!!!"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


def test_no_character_but_space_is_lost() -> None:
    text = "\n".join(text for text, _ in CASES)
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_a_long_text_takes_little_time() -> None:
    # Quadratic patterns would take minutes.
    assert len(split_sentences("Some words. " * 20_000)) == 20_000
    assert len(split_sentences("a" * 200_000)) == 1
    assert len(split_sentences("." * 200_000)) == 1
    assert len(split_sentences("\n" * 100_000 + "x")) == 1
