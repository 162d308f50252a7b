"""Choice of the sentences of a summary by their scores."""

from collections.abc import Sequence

from gru_suite.errors import UserError
from gru_suite.options import check_count


def check_selection(num_sentences: int | None, max_words: int | None) -> None:
    """Check ``task.num_sentences`` and ``task.max_words``.

    Raises:
        UserError: one is neither None nor a whole number of at least 1.
    """
    for key, value in {"num_sentences": num_sentences, "max_words": max_words}.items():
        if value is not None:
            check_count(f"task.{key}", value, 1)


def choose_sentences(
    scores: Sequence[float],
    sentences: Sequence[str],
    num_sentences: int,
    max_words: int | None = None,
) -> list[int]:
    """Choose the sentences with the highest scores; of equal ones the first.

    Args:
        scores: of each sentence; NaN for one that cannot be chosen.
        sentences: of the document.
        num_sentences: most sentences of the summary.
        max_words: most words of the summary, divided by spaces: a sentence that would exceed it is
            passed over, unless it is the best one and none fits. None has no limit.

    Returns:
        Ascending places, at least one where the document has a sentence.

    Raises:
        UserError: there are not as many scores as sentences.
    """
    if len(scores) != len(sentences):
        raise UserError(f"{len(scores)} scores for {len(sentences)} sentences; one each is needed")
    # NaN is unequal to itself.
    order = sorted(
        (place for place, score in enumerate(scores) if score == score),
        key=lambda place: -scores[place],
    )
    chosen: list[int] = []
    words = 0
    for place in order:
        if len(chosen) == num_sentences:
            break
        length = len(sentences[place].split())
        if max_words is None or words + length <= max_words:
            chosen.append(place)
            words += length
    return sorted(chosen or order[:1])
