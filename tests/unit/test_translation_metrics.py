import builtins
import copy
import pickle
import random
from typing import Any

import pytest
import sacrebleu

from gru_suite.errors import UserError
from gru_suite.tasks.translation.training.metrics import TranslationMetrics, translation_scores

WORDS = [
    "a",
    "the",
    "dog",
    "cat",
    "runs",
    "sleeps",
    "Hund,",
    "(läuft)",
    "...",
    "don't",
    "3.5",
    "猫",
]


def sentences(count: int, seed: int) -> list[str]:
    random_state = random.Random(seed)
    return [
        " ".join(random_state.choices(WORDS, k=random_state.randint(0, 9))) for _ in range(count)
    ]


def noisy(references: list[str], seed: int) -> list[str]:
    random_state = random.Random(seed)
    return [
        text
        if random_state.random() < 0.3
        else " ".join(w for w in text.split() if random_state.random() < 0.8)
        for text in references
    ]


@pytest.mark.parametrize("tokenize", ["13a", "char", "intl", "none"])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_sacrebleu(tokenize: str, seed: int) -> None:
    references = sentences(200, seed)
    hypotheses = noisy(references, seed) if seed else sentences(200, 9)
    metrics = TranslationMetrics(tokenize)
    for start in range(0, 200, 32):
        metrics.update(hypotheses[start : start + 32], references[start : start + 32])
    scores = metrics.compute()
    bleu = sacrebleu.corpus_bleu(hypotheses, [references], tokenize=tokenize, force=True)
    chrf = sacrebleu.corpus_chrf(hypotheses, [references])
    assert float(scores["bleu"]) == pytest.approx(bleu.score, abs=1e-6)
    assert float(scores["chrf"]) == pytest.approx(chrf.score, abs=1e-6)
    exact = sum(ours == theirs for ours, theirs in zip(hypotheses, references, strict=True))
    assert float(scores["exact_match"]) == pytest.approx(exact / 200)


def test_sums_of_two_processes() -> None:
    references = sentences(50, 1)
    hypotheses = noisy(references, 2)
    whole, first, second = (TranslationMetrics() for _ in range(3))
    whole.update(hypotheses, references)
    first.update(hypotheses[:20], references[:20])
    second.update(hypotheses[20:], references[20:])
    # What torchmetrics does with states reduced by "sum".
    assert set(first._reductions) == {"bleu_counts", "chrf_counts", "num_exact", "num_pairs"}
    for name in first._reductions:
        setattr(first, name, getattr(first, name) + getattr(second, name))
    assert first.compute() == whole.compute()


def test_extremes() -> None:
    perfect = translation_scores(["Ein Hund rennt .", "x"], ["Ein Hund rennt .", " x "])
    assert perfect == pytest.approx({"bleu": 100, "chrf": 100, "exact_match": 1})
    nothing = translation_scores(["", ""], ["Ein Hund", "rennt"])
    assert nothing == {"bleu": 0, "chrf": pytest.approx(0, abs=1e-9), "exact_match": 0}
    assert translation_scores(["ein hund"], ["Ein Hund"])["exact_match"] == 0
    assert all(value != value for value in translation_scores([], []).values())
    with pytest.raises(ValueError, match="zip"):
        TranslationMetrics().update(["a"], [])


def test_reset_copy_and_pickle() -> None:
    metrics = TranslationMetrics("char")
    metrics.update(["abc"], ["abd"])
    copies = [copy.deepcopy(metrics), pickle.loads(pickle.dumps(metrics))]
    assert [each.compute() for each in copies] == [metrics.compute()] * 2
    metrics.reset()
    assert int(metrics.num_pairs) == 0


def test_signatures() -> None:
    signatures = TranslationMetrics("char").signatures()
    assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:char|smooth:exp|version:2")
    assert signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2")


def test_unknown_tokenizer() -> None:
    with pytest.raises(UserError, match=r"data\.bleu_tokenizer=13b: .*did you mean '13a'"):
        TranslationMetrics("13b")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("sacrebleu"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r'sacrebleu.*\n.*pip install "gru-suite\[text\]"'):
        TranslationMetrics()
