"""The text classifier's use over a network.

Shapes: T tokens.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gru_suite.model.service.classification import ClassificationService, classes_as_json
from gru_suite.model.service.streams import ModelStreams, ServiceStreams
from gru_suite.model.service.texts import TextInputs

if TYPE_CHECKING:
    from .model import SentimentModel

# Of a text in the list of predictions.
_NAME_CHARACTERS = 80


class TextService(TextInputs, ClassificationService):
    """Texts in, probabilities of the classes and attributions of tokens out."""

    model: "SentimentModel"
    explains = True
    step_kind = "token"

    def inputs(self) -> dict[str, Any]:
        """Return the largest number of characters, and of tokens that are read."""
        return {**super().inputs(), "max_tokens": int(self.model.schema["max_tokens"])}

    def example(self) -> str:
        """Return a text."""
        return "A fine piece of work, though it takes its time."

    def predict(self, items: Sequence[str]) -> list[dict[str, Any]]:
        """Return the probabilities of texts."""
        names = [text[:_NAME_CHARACTERS] for text in items]
        return classes_as_json(self.model.predict(list(items)), names)

    def explain(self, item: str) -> dict[str, Any]:
        """Return the attribution of each token to the predicted label."""
        found = self.model.explain(item)
        tokens = [
            {"start": start, "end": end, "attribution": value}
            for (start, end), value in zip(found.offsets, found.attributions, strict=False)
        ]
        return {
            "text": found.text,
            "label": found.label,
            "probability": found.probability,
            "margin": found.margin,
            "tokens": tokens,
        }

    def steps(self, item: str, steps: Sequence[int]) -> dict[str, Any]:
        """Return the tokens of the steps."""
        offsets = self.model.tokenizer.offsets(item)
        words = [item[slice(*offsets[step])] if step < len(offsets) else "" for step in steps]
        return {"step_labels": words, "step_seconds": None}

    def streams(self) -> ServiceStreams:
        """Return streams of texts.

        Raises:
            UserError: the model looks ahead.
        """
        return ModelStreams(self.model.stream(0), self.live_chunk, "".join)

    def live_chunk(self, message: Any) -> str:
        """Return a piece of text; it may be empty.

        Raises:
            UserError: it is none, or too long.
        """
        if message == "":
            return ""
        if isinstance(message, str) and not message.strip():
            return message[: self.limits.max_characters]
        return self.read(message)
