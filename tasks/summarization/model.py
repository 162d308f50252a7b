"""The summariser in use: summaries, page, export."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.model.streaming.stream import Stream
from gru_suite.nn.evaluation import evaluating

from .batches.encoding import DocumentDataset
from .batches.selection import choose_sentences
from .inference.export import SummarizationExport
from .inference.summaries import Summaries
from .inference.summary_page import write_page
from .network.sentence_scorer import SentenceScorer
from .reading.prediction_inputs import read_documents

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 500
"""Documents at most on the page of summaries."""

# Words of padding included: some 100 MB of ids of n-grams.
_WORDS_AT_ONCE = 300_000


class SummarizationModel(SentenceScorer):
    """Extractive summariser: the sentences of a document that a reader would keep."""

    service_class: ClassVar[str] = "gru_suite.tasks.summarization.service:SummaryService"

    def predict(self, raw: "str | Path | pd.DataFrame | Sequence[str]") -> Summaries:
        """Choose the sentences of each document.

        Args:
            raw: one text, even if it is the name of a file; several, each a text or a list of its
                sentences; a table with the document column of the training data (or a single
                column); or the ``pathlib.Path`` of a text file (one document) or of such a table.

        Returns:
            One summary per document; that of an empty document is empty.

        Raises:
            UserError: there is no text.
        """
        schema = self.schema
        documents = read_documents(raw, schema["document_column"], schema["encoding"])
        filled = [row for row, sentences in enumerate(documents) if sentences]
        if not filled:
            raise UserError("found no text to summarise; at least one sentence is needed")
        scores: list[list[float]] = [[] for _ in documents]
        found = self._shares([documents[row] for row in filled])
        for row, shares in zip(filled, found, strict=True):
            scores[row] = shares
        chosen = [
            self.choose(shares, sentences)
            for shares, sentences in zip(scores, documents, strict=True)
        ]
        return Summaries(documents, chosen, scores)

    def choose(self, scores: Sequence[float], sentences: Sequence[str]) -> list[int]:
        """Return the places of the sentences of a summary, by their scores."""
        return choose_sentences(scores, sentences, self.num_sentences, self.max_words)

    def _shares(self, documents: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the share of each sentence in the softmax over its document."""
        dataset = DocumentDataset(documents, self.tokenizer)
        order = sorted(range(len(dataset)), key=dataset.lengths.__getitem__, reverse=True)
        shares: list[list[float]] = [[] for _ in documents]
        with evaluating(self), torch.inference_mode():
            while order:
                size = max(1, _WORDS_AT_ONCE // (dataset.lengths[order[0]] * self._longest()))
                rows, order = order[:size], order[size:]
                batch = dataset.collate(rows)
                on_device = batch._replace(
                    lengths_B=batch.lengths_B.to(self.device),
                    tokens=batch.tokens.to(self.device),
                    words_BS=batch.words_BS.to(self.device),
                )
                share_BS = self(on_device).float().softmax(1).cpu().numpy().astype(np.float64)
                for row, share_S in zip(rows, share_BS, strict=True):
                    shares[row] = share_S[: dataset.lengths[row]].tolist()
        return shares

    def _longest(self) -> int:
        return int(self.schema["max_tokens"])

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Summarise the documents of a file; write a CSV and, beside it, a page that shows them.

        Args:
            source: a text file (one document) or a table with the document column.
            target: the CSV; the page has the same name with ``.html``.
        """
        summaries = self.predict(source)
        with atomic_path(target) as temporary:
            summaries.to_frame().to_csv(temporary, index=False)
        page = target.with_suffix(".html")
        left = len(summaries) > MAX_SHOWN
        note = f"The first {MAX_SHOWN} of {len(summaries)} documents." if left else ""
        write_page(page, [summaries[row] for row in range(min(len(summaries), MAX_SHOWN))], note)
        return [target, page]

    def stream(self, batch_size: int = 1) -> Stream[Any]:
        """Refuse: there is no summary of a part of a document.

        Raises:
            UserError: always.
        """
        raise UserError(
            "task summarization cannot stream: the score of a sentence depends on the whole "
            "document; collect its text and call predict()"
        )

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return the shares of sentences as a function of token ids and lengths."""
        return SummarizationExport(self)

    def limits(self) -> list[str]:
        """Return limits of the choice, and of language, vocabulary and length."""
        words = f" and {self.max_words:,} words" if self.max_words else ""
        number = self.num_sentences
        plural = "sentence" if number == 1 else "sentences"
        source = self.run_info.get("data", {}).get("source")
        subject = (
            "Trained with documentation of Python packages in English: other subjects and "
            "languages were not evaluated."
            if source == "package_docs"
            else "The language and subject of the training documents are not recorded; no others "
            "were evaluated."
        )
        size = self.schema["vocabulary_size"]
        return [
            f"A summary is at most {number} {plural}{words} of the document, word for word: "
            "nothing is shortened or rephrased, and what a pronoun stands for may be missing.",
            "Sentences are split by a rule for punctuation, which some abbreviations mislead; a "
            "document may be given as a list of its sentences.",
            "Every document gets a summary, also one that says nothing. Scores are relative within "
            "a document and cannot be compared between documents.",
            subject,
            f"Vocabulary of {size:,} tokens; the network reads {self.schema['max_tokens']} tokens "
            "of a sentence.",
        ]

    def usage(self) -> list[str]:
        """Return Python lines that summarise a text with ``model``."""
        return [
            'text = "Snow fell all night. Trains were late. We show how drifts form on the track."',
            "print(model.predict(text)[0].summary)",
        ]
