import itertools

import numpy as np
import pytest

from gru_suite.tasks.translation.reading.text_pairs import TextPairs
from gru_suite.tasks.translation.training.baselines import baseline_scores, nearest_targets
from gru_suite.tasks.translation.training.word_alignment import WordTranslator, fit_model_1

NOUNS = {"dog": "Hund", "cat": "Katze", "bird": "Vogel", "child": "Kind"}
VERBS = {"sees": "sieht", "hears": "hört", "chases": "jagt"}


def corpus() -> TextPairs:
    sources, targets = [], []
    for (one, eins), (verb, wort), (two, zwei) in itertools.product(
        NOUNS.items(), VERBS.items(), NOUNS.items()
    ):
        # What always stands beside an article could be its translation.
        end = "." if len(sources) % 3 else ""
        sources.append(f"The {one} {verb} the {two}{end}")
        targets.append(f"Das {eins} {wort} das {zwei}{end}")
    return TextPairs(sources, targets, [""] * len(sources))


def test_model_1_by_hand() -> None:
    # Brown et al.'s idea in the smallest case: "b" alone says that "x" belongs to "a".
    sources, targets = [np.array([1, 2]), np.array([2])], [np.array([0, 1]), np.array([1])]
    source_M, target_M, probability_M = fit_model_1(sources, targets, 1)
    table = dict(
        zip(zip(source_M.tolist(), target_M.tolist(), strict=True), probability_M, strict=True)
    )
    # One step from uniform: source 2 has 1/3 of target 0, and 1/3 + 1/2 of target 1.
    assert table[2, 1] == pytest.approx((1 / 3 + 1 / 2) / (1 / 3 + 1 / 3 + 1 / 2))
    assert table[1, 0] == pytest.approx(0.5)
    for source in range(3):
        assert sum(value for (word, _), value in table.items() if word == source) == pytest.approx(
            1
        )
    _, _, later_M = fit_model_1(sources, targets, 20)
    assert dict(zip(zip(source_M, target_M, strict=True), later_M, strict=True))[1, 0] > 0.9


def test_word_by_word_learns_the_dictionary() -> None:
    translator = WordTranslator(corpus())
    assert translator.translate("The cat chases the bird.") == "Das Katze jagt das Vogel."
    # Unknown words and spaces stay; the case of the first letter is that of the source.
    assert translator.translate("the  zebra, HEARS!") == "das  zebra, hört!"
    assert translator.translate("") == ""


def test_words_of_scripts_without_spaces() -> None:
    translator = WordTranslator(
        TextPairs(["犬", "猫", "犬猫"], ["dog", "cat", "dog cat"], [""] * 3)
    )
    assert translator.translate("猫犬") == "cat dog"


def test_nearest() -> None:
    train = corpus()
    assert nearest_targets(train, ["Now the bird hears the cat."]) == ["Das Vogel hört das Katze."]
    assert nearest_targets(train, ["zzz", train.sources[7]]) == [train.targets[0], train.targets[7]]


def test_nearest_without_tokens() -> None:
    train = TextPairs([" ", " "], ["a", "b"], ["", ""])
    assert nearest_targets(train, ["x"]) == ["a"]


def test_scores_of_all_baselines() -> None:
    whole = corpus()
    train, scored = whole.select(range(0, 48, 2)), whole.select(range(1, 48, 2))
    scores = baseline_scores(train, scored)
    assert list(scores) == ["copy", "nearest", "word_by_word"]
    assert scores["copy"]["exact_match"] == 0
    assert scores["word_by_word"]["bleu"] == pytest.approx(100)
    assert 20 < scores["nearest"]["bleu"] < 100
    assert list(baseline_scores(TextPairs(), scored)) == ["copy"]
    by_letter = baseline_scores(train, scored, tokenize="char")
    assert by_letter["nearest"]["bleu"] > scores["nearest"]["bleu"]
