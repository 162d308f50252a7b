"""The summariser's use over a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gru_suite.model.service.service import Service
from gru_suite.model.service.texts import TextInputs

if TYPE_CHECKING:
    from .model import SummarizationModel

# Of a text in the list of predictions.
_NAME_CHARACTERS = 80


class SummaryService(TextInputs, Service[Any, str]):
    """Texts in; summaries, and the sentences of each text with their scores, out."""

    model: "SummarizationModel"
    output_kind = "summary"
    step_kind = "sentence"

    def outputs(self) -> dict[str, Any]:
        """Return the limits of a summary."""
        return {"num_sentences": self.model.num_sentences, "max_words": self.model.max_words}

    def example(self) -> str:
        """Return a text."""
        return (
            "Snow fell over the line all night. The first trains left two hours late. We show that "
            "fences of living bushes keep drifts off the track at a tenth of the cost. They need "
            "five years to grow."
        )

    def predict(self, items: Sequence[str]) -> list[dict[str, Any]]:
        """Return the summary of each text, and its sentences with score and choice."""
        found = self.model.predict(list(items))
        return [
            {
                "name": text[:_NAME_CHARACTERS],
                "summary": each.summary,
                "sentences": [
                    {"text": sentence, "score": score, "chosen": place in each.chosen}
                    for place, (sentence, score) in enumerate(
                        zip(each.sentences, each.scores, strict=True)
                    )
                ],
            }
            for text, each in zip(items, found, strict=True)
        ]

    def steps(self, item: str, steps: Sequence[int]) -> dict[str, Any]:
        """Return the beginnings of the sentences of the steps."""
        sentences = self.model.predict([item])[0].sentences
        labels = [sentences[step][:40] if step < len(sentences) else "" for step in steps]
        return {"step_labels": labels, "step_seconds": None}
