"""The translation model's use over a network."""

from collections.abc import Sequence
from typing import Any

from gru_suite.model.service.service import Service
from gru_suite.model.service.texts import TextInputs

from .inference.alignment import original_spelling
from .inference.translations import Translation
from .model import TranslationModel

_ALTERNATIVES = 3


class TranslationService(TextInputs, Service[TranslationModel, str]):
    """Texts in; hypotheses, their scores and the alignment of words out."""

    output_kind = "translation"
    step_kind = "token"

    def inputs(self) -> dict[str, Any]:
        """Return the largest number of characters and of tokens."""
        return {**super().inputs(), "max_tokens": int(self.model.schema["max_tokens"])}

    def outputs(self) -> dict[str, Any]:
        """Return the exponent of the length that scores are divided by."""
        return {"length_penalty": self.model.length_penalty}

    def example(self) -> str:
        """Return a text."""
        made = self.model.run_info.get("data", {}).get("layout") == "written_dates"
        return "Saturday, April 3, 2021" if made else "Two dogs are running on the beach."

    def read(self, value: Any) -> str:
        """Return a text.

        Raises:
            UserError: it is none, empty or too long.
        """
        text = super().read(value)
        self.model.check_source(text)
        return text

    def predict(self, items: Sequence[str]) -> list[dict[str, Any]]:
        """Return the translations of texts, with alternatives and alignments."""
        n_best = min(_ALTERNATIVES, self.model.beam_size)
        found = self.model.predict(list(items), n_best=n_best, align=True)
        return [_as_json(each) for each in found]

    def steps(self, item: str, steps: Sequence[int]) -> dict[str, Any]:
        """Return the source tokens of the steps."""
        tokenizer = self.model.source_tokenizer
        tokens = [token.strip() for token in tokenizer.tokens(tokenizer.encode([item])[0])]
        tokens = original_spelling(tokens, item)
        words = [tokens[step] if step < len(tokens) else "" for step in steps]
        return {"step_labels": words, "step_seconds": None}


def _as_json(found: Translation) -> dict[str, Any]:
    others = [{"text": text, "score": score} for text, score in found.alternatives]
    return {
        "source": found.source,
        "text": found.text,
        "score": found.score,
        "alternatives": others,
        "source_words": found.source_words,
        "target_words": found.target_words,
        "attention": [[round(each, 4) for each in row] for row in found.attention],
    }
