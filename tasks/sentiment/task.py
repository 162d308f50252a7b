"""The sentiment task, and any other that gives a text one of several labels.

Shapes: B batch, N texts, T tokens (right-padded), F embedding size, K classes.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch, SequenceDataset, bucket_loader
from gru_suite.model.predictions import Predictions
from gru_suite.options import check_count, check_positive, check_share
from gru_suite.training.classification_task import ClassificationTask
from gru_suite.training.transfer import copy_fitting

from .batches.tokenizer import TextCodec
from .batches.vocabulary import VOCABULARY
from .inference.streaming import SentimentModule, SentimentStream
from .network.hashed_linear import WidePath
from .network.token_encoder import TokenEncoder
from .network.word_vectors import copy_vectors
from .reading.tables import text_cells
from .reading.text_files import TABLE_SUFFIXES, read_lines, read_table
from .results.token_attribution import TokenImportance, explain, write_page

if TYPE_CHECKING:
    from gru_suite.model.export.module import ExportModule

Raw = str | Path | pd.DataFrame | Sequence[str]
PREDICT_BATCH = 64
# Names of files are shorter, and asking for longer ones is an error on most systems.
_LONGEST_PATH = 250
# A page with more lines is slow to make and nobody reads it.
MAX_EXPLAINED = 500


class SentimentTask(ClassificationTask):
    """Tokens -> embedding -> backbone -> pooling -> label.

    Attributes:
        codec: turns texts into token numbers, as in training.
        encoder: the embedding.
    """

    name: ClassVar[str] = "sentiment"
    input_kind: ClassVar[str] = "text"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        embedding_size: int = 64,
        token_dropout: float = 0.2,
        embedding_dropout: float = 0.5,
        pooling: str = "mean+max",
        head_dropout: float = 0.5,
        label_smoothing: float = 0.0,
        class_weights: bool = False,
        vectors: str | None = None,
        wide_share: float = 0.7,
        wide_buckets: int = 262144,
        wide_inverse_penalty: float = 10.0,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: what the data module says of the data: labels, tokenizer, cuts.
            optimizer: name and options of the optimizer.
            scheduler: name and options of the learning-rate schedule.
            embedding_size: features of a token.
            token_dropout: share of tokens made unknown in training, 0 to below 1.
            embedding_dropout: share of embedding features set to zero in training, 0 to below 1.
            pooling: see :class:`ClassificationTask`.
            head_dropout: share of pooled features dropped in training.
            label_smoothing: share of the target spread over all labels.
            class_weights: weigh the loss by the inverse of a label's frequency.
            vectors: file of word vectors (GloVe, fastText) that the embedding starts from; read
                when training starts, and never again.
            wide_share: share of a linear path over words, word pairs and n-grams in the answer's
                log-odds, 0 (there is none) to below 1.
            wide_buckets: its weights for words and pairs, and as many for n-grams; several share
                one where there are more.
            wide_inverse_penalty: C of its logistic regression, above 0; a text of which only a part
                has what its label says, as a piece of a longer one, needs a small one.

        Raises:
            UserError: an option has a value that cannot work.
        """
        check_count("task.embedding_size", embedding_size, 1)
        check_count("task.wide_buckets", wide_buckets, 1)
        check_share("task.token_dropout", token_dropout)
        check_share("task.embedding_dropout", embedding_dropout)
        check_share("task.wide_share", wide_share)
        check_positive("task.wide_inverse_penalty", wide_inverse_penalty)
        super().__init__(
            backbone,
            embedding_size,
            schema,
            optimizer,
            scheduler,
            pooling,
            head_dropout,
            label_smoothing,
            class_weights,
        )
        self.save_hyperparameters()
        self.codec = TextCodec(schema)
        ngrams = self.codec.ngrams is not None
        self.encoder = TokenEncoder(
            schema["vocabulary_size"], embedding_size, token_dropout, embedding_dropout, ngrams
        )
        self.wide: WidePath | None = None
        if wide_share:
            self.wide = WidePath(wide_buckets, len(self.labels), ngrams, wide_inverse_penalty)
        self.wide_share = wide_share
        self.vectors = vectors

    def setup(self, stage: str) -> None:
        """Read the word vectors, where training starts from some."""
        super().setup(stage)
        if stage == "fit" and self.vectors:
            vocabulary = self.codec.tokenizer.get_vocab()
            path = Path(self.vectors)
            count = copy_vectors(path, vocabulary, self.encoder.embedding.weight.data)
            share = count / len(vocabulary)
            print(f"{path.name}: vectors of {count:,} of {len(vocabulary):,} tokens ({share:.1%})")

    def warm_start(self, train: Iterable[SequenceBatch], val: Iterable[SequenceBatch]) -> None:
        """Fit the linear path."""
        if self.wide is not None:
            self.wide.fit(train)

    def take_over(self, checkpoint: Mapping[str, Any]) -> dict[str, str]:
        """Take the backbone; with the same vocabulary the embedding too, with the same labels all.

        The linear path of the checkpoint becomes a feature of the one that is fitted here.
        """
        notes = super().take_over(checkpoint)
        schema, state = checkpoint["hyper_parameters"].get("schema", {}), checkpoint["state_dict"]
        if any(schema.get(key) != self.schema.get(key) for key in VOCABULARY):
            return notes
        notes |= copy_fitting(self.encoder, state, "encoder.")
        if schema.get("labels") == self.labels:
            notes |= copy_fitting(self.poolings, state, "poolings.")
            notes |= copy_fitting(self.head, state, "head.")
            if self.wide is not None:
                notes["wide"] = self.wide.take_prior(state, "wide.")
        return notes

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Return logits, shape (B, K); in training those of the recurrent path alone.

        The linear path knows the training texts by heart, so beside it there would be little left
        to learn from them.
        """
        logits_BK = super().forward(batch)
        if self.wide is None or self.training:
            return logits_BK
        return torch.lerp(logits_BK, self.wide(batch.x), self.wide_share)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return embedded tokens, shape (B, T, F), and lengths."""
        return self.encoder(batch.x), batch.lengths_B

    def stream_module(self) -> SentimentModule:
        """Return the network on one chunk of token numbers after the other."""
        return SentimentModule(self)

    def stream(self, batch_size: int = 1) -> SentimentStream:
        """Return what takes texts piece by piece; see :class:`SentimentStream`."""
        return SentimentStream(self, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> "ExportModule":
        """Return probabilities as a function of token numbers and lengths."""
        from .inference.export import sentiment_export

        return sentiment_export(self)

    def predict(self, raw: Raw) -> Predictions:
        """Give labels and their probabilities.

        Args:
            raw: one text, also where it looks like a path; several; a table with the column of
                texts that the training data had (or one column); or the ``pathlib.Path`` of a text
                file (a text a line) or of such a table.

        Returns:
            A label a text; a text that is empty has none, and NaN for probabilities.

        Raises:
            UserError: there is no text.
        """
        texts = self._texts(raw)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if not rows:
            raise UserError("found no text to predict; at least one that is not empty is needed")
        sequences = self.codec.encode([texts[row] for row in rows])
        dataset = SequenceDataset(sequences, [0] * len(rows), [texts[row] for row in rows])
        found = self.predict_loader(bucket_loader(dataset, PREDICT_BATCH, shuffle=False))
        probability_NK = np.full((len(texts), len(self.labels)), np.nan, np.float32)
        probability_NK[rows] = found.probability_NK
        return Predictions(self.input_kind, texts, self.labels, probability_NK)

    def limits(self) -> list[str]:
        """Add what is known of the language, the vocabulary and the longest text."""
        source = self.run_info.get("data", {}).get("source")
        language = (
            "Trained with English film reviews: other subjects and languages were not evaluated."
            if source == "movie_reviews"
            else "The language and subject of the training texts are not recorded; no others were "
            "evaluated."
        )
        cut = f"Of a text with more than {self.schema['max_tokens']} tokens a part is read."
        words = (
            f"{self.schema['vocabulary_size']:,} tokens are known; words of no known part are not."
        )
        return [*super().limits(), language, words, cut]

    def usage(self) -> list[str]:
        """Label two texts."""
        return ['print(task.predict(["a fine piece of work", "a waste of time"]).to_frame())']

    def explain(self, text: str) -> TokenImportance:
        """Return how much each token speaks for the label, by integrated gradients.

        Raises:
            UserError: the text is empty.
        """
        if not text.strip():
            raise UserError("the text is empty; there is nothing to explain")
        training = self.training
        self.eval()
        found = explain(self, text)
        self.train(training)
        return found

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict the texts of a file; write a CSV and, beside it, a page of token importance.

        Args:
            source: a text file (a text a line) or a table with the column of texts.
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

    def _texts(self, raw: Raw) -> list[str]:
        if isinstance(raw, str):
            if len(raw) < _LONGEST_PATH and Path(raw).is_file():
                warnings.warn(
                    f"{raw!r} was read as a text itself; to read the file give pathlib.Path(...)",
                    stacklevel=4,
                )
            return [raw]
        if isinstance(raw, pd.DataFrame):
            return text_cells(raw, self.schema["text_column"], "the given table")
        if isinstance(raw, Path):
            return self._texts_of_file(raw)
        if not isinstance(raw, Sequence | np.ndarray | pd.Series) or isinstance(raw, bytes):
            raise UserError(
                f"input of type {type(raw).__name__}: needs a text, a list of texts, a pandas "
                "DataFrame, or the pathlib.Path of a file of texts"
            )
        texts = list(raw)
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise UserError(f"text {row} is {type(text).__name__}; strings are needed")
        return texts

    def _texts_of_file(self, path: Path) -> list[str]:
        encoding, column = self.schema["encoding"], self.schema["text_column"]
        if path.name.removesuffix(".gz").lower().endswith(TABLE_SUFFIXES):
            # Columns by number are those of a table without a header.
            frame, _ = read_table(path, encoding, header=isinstance(column, str))
            return text_cells(frame, column, path.name)
        return read_lines(path, encoding)[0]
