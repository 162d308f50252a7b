"""Oracle labels: the sentences that give a document's summary the highest ROUGE-1, chosen greedily.

Nallapati et al. 2017, "SummaRuNNer", section 3.1 (https://arxiv.org/abs/1611.04230).
"""

from collections.abc import Sequence

from .rouge import unigram_score


def greedy_oracle(
    sentences: Sequence[str], references: Sequence[str], limit: int | None = None
) -> tuple[int, ...]:
    """Choose sentences one by one, each the one that raises ROUGE-1 the most, until none does.

    Args:
        sentences: of the document.
        references: its summaries.
        limit: of the sentences; None has none.

    Returns:
        Ascending places, at least one: the first sentence where none has a word of a summary.
    """
    chosen: list[int] = []
    best = 0.0
    while limit is None or len(chosen) < limit:
        left = [place for place in range(len(sentences)) if place not in chosen]
        scores = {
            place: unigram_score(_joined(sentences, [*chosen, place]), references) for place in left
        }
        if not scores:
            break
        place = max(scores, key=lambda each: scores[each])
        if scores[place] <= best:
            break
        best = scores[place]
        chosen.append(place)
    return tuple(sorted(chosen or [0]))


def _joined(sentences: Sequence[str], places: Sequence[int]) -> str:
    return " ".join(sentences[place] for place in sorted(places))
