"""The translation model in use: prediction, alignments, export."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.model.streaming.stream import Stream
from gru_suite.options import check_count
from gru_suite.text.beam_search import Hypothesis
from gru_suite.text.subwords import UNKNOWN, join_tokens

from .batches.pair_dataset import PairBatch
from .inference.alignment import align_words, replace_unknown
from .inference.alignment_page import write_page
from .inference.decoding import Decoding, attention_weights, decode, decode_tokens
from .inference.export import EncoderExport
from .inference.translations import Translation, Translations
from .network.translator import Translator, check_beam
from .reading.prediction_inputs import read_sources

if TYPE_CHECKING:
    import pandas as pd

MAX_ALIGNED = 500
"""Translations at most on the page of alignments."""


class TranslationModel(Translator):
    """Text to text: translation, or any other pairs of the training data."""

    service_class: ClassVar[str] = "gru_suite.tasks.translation.service:TranslationService"

    def predict(
        self,
        raw: "str | Path | pd.DataFrame | Sequence[str]",
        n_best: int = 1,
        beam_size: int | None = None,
        prefix: str | Sequence[str] | None = None,
        max_tokens: int | None = None,
        align: bool = False,
    ) -> Translations:
        """Translate texts.

        Args:
            raw: one text, even if it is the name of a file; several; a table with the source column
                of the training data (or a single column); or the ``pathlib.Path`` of a text file
                (a source a line) or of such a table.
            n_best: hypotheses of each source, at most the size of the beam.
            beam_size: hypotheses kept at each step of decoding; None takes the model's.
            prefix: what each target begins with: one text for all sources, or one each.
            max_tokens: most tokens of a target; None allows what the training pairs suggest.
            align: whether translations have an alignment of words, by attention.

        Returns:
            One translation per source; that of an empty source is empty, its score NaN.

        Raises:
            UserError: there is no text, one is too long, or an option is out of its range.
        """
        sources = read_sources(raw, self.schema["source_column"], self.schema["encoding"])
        options = self._decoding(n_best, beam_size, max_tokens)
        rows = [row for row, text in enumerate(sources) if text.strip()]
        if not rows:
            raise UserError("found no text to translate; at least one that is not empty is needed")
        texts = [sources[row] for row in rows]
        ids = self.source_tokenizer.encode(texts)
        self._check_lengths(ids, rows)
        prefixes = self._prefixes(prefix, len(sources))
        begun = [prefixes[row] for row in rows]
        decoded = decode(self, ids, options, begun)
        kept = [hypotheses[:n_best] for hypotheses in decoded]
        items = [Translation(text) for text in sources]
        for row, each in zip(rows, self._translations(texts, ids, kept, align), strict=True):
            items[row] = each
        return Translations(items, n_best)

    def translate_batch(self, batch: PairBatch, beam_size: int) -> list[str]:
        """Return the best hypothesis of each source of a batch."""
        sizes = batch.source_lengths_B.tolist()
        ids = [row[:size] for row, size in zip(batch.source_BS.tolist(), sizes, strict=True)]
        decoded = decode(self, ids, Decoding(beam_size, self.length_penalty))
        kept = [hypotheses[:1] for hypotheses in decoded]
        return [each.text for each in self._translations(batch.sources, ids, kept, False)]

    def check_source(self, source: str) -> None:
        """Raise UserError where a source has more tokens than the model takes."""
        self._check_lengths(self.source_tokenizer.encode([source]), [0])

    def generate(
        self, source: str, prefix: str = "", max_tokens: int | None = None
    ) -> Iterator[str]:
        """Yield a greedy translation piece by piece, as its tokens are made.

        The pieces joined are the text of ``predict(source, beam_size=1)``, but for unknown words.

        Args:
            source: a text.
            prefix: what the target begins with.
            max_tokens: most tokens of the target.

        Raises:
            UserError: the text is empty or too long.
        """
        if not source.strip():
            raise UserError("the text is empty; there is nothing to translate")
        self._decoding(1, 1, max_tokens)
        ids = self.source_tokenizer.encode([source])
        self._check_lengths(ids, [0])
        begun = self.target_tokenizer.encode([prefix])[0]
        first = True
        for token in decode_tokens(self, ids[0], max_tokens, begun):
            piece = self.target_tokenizer.tokens([token])[0]
            piece, first = piece.lstrip() if first else piece, first and not piece.strip()
            if piece:
                yield piece

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Translate the texts of a file; write a CSV and, beside it, a page of alignments.

        Args:
            source: a text file (a source a line) or a table with the source column.
            target: the CSV; the page has the same name with ``.html``.
        """
        n_best = min(3, self.beam_size)
        translations = self.predict(source, n_best=n_best, align=True)
        with atomic_path(target) as temporary:
            translations.to_frame().to_csv(temporary, index=False)
        filled = [each for each in translations if each.source.strip()]
        left = len(filled) - MAX_ALIGNED
        note = f"The first {MAX_ALIGNED} of {len(filled)} texts." if left > 0 else ""
        page = target.with_suffix(".html")
        write_page(page, filled[:MAX_ALIGNED], note)
        return [target, page]

    def stream(self, batch_size: int = 1) -> Stream[Any]:
        """Refuse: the encoder reads a source to its end before the first target token.

        Raises:
            UserError: always.
        """
        raise UserError(
            "task translation cannot stream: a source is read to its end before the first target "
            "token; generate() gives the target piece by piece"
        )

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return the encoder, and beside it a step of the decoder, as functions of tensors."""
        return EncoderExport(self)

    def limits(self) -> list[str]:
        """Return limits of language, vocabulary and length."""
        data = self.run_info.get("data", {})
        made = data.get("layout") == "written_dates"
        subject = (
            "Trained with dates and numbers made by a program: real documents were not evaluated."
            if made
            else "The subject of the training texts is not recorded; no others were evaluated."
        )
        kind, size = self.schema["tokenizer"], self.target_tokenizer.size
        length = f"Sources of more than {self.schema['max_tokens']:,} tokens are refused."
        vocabulary = f"Target vocabulary of {size:,} tokens ({kind})."
        whole = "A source is read to its end before the first target token: no stream of sources."
        return [*super().limits(), subject, vocabulary, length, whole]

    def usage(self) -> list[str]:
        """Return Python lines that translate two texts with ``model``."""
        return ['print(model.predict(["a first text", "a second one"]).to_frame())']

    def _decoding(self, n_best: int, beam_size: int | None, max_tokens: int | None) -> Decoding:
        beam_size = self.beam_size if beam_size is None else beam_size
        check_beam("beam_size", beam_size)
        check_count("n_best", n_best, 1)
        if n_best > beam_size:
            raise UserError(
                f"n_best={n_best}: a beam of {beam_size} gives {beam_size} hypotheses at most; set "
                f"beam_size={n_best} or more"
            )
        if max_tokens is not None:
            check_count("max_tokens", max_tokens, 1)
        return Decoding(beam_size, self.length_penalty, max_tokens)

    def _check_lengths(self, ids: Sequence[Sequence[int]], rows: Sequence[int]) -> None:
        most = int(self.schema["max_tokens"])
        for row, tokens in zip(rows, ids, strict=True):
            if len(tokens) > most:
                raise UserError(
                    f"text {row}: has {len(tokens):,} tokens, and the model takes {most:,} "
                    "(data.max_tokens of its training); split it into sentences"
                )

    def _prefixes(self, prefix: str | Sequence[str] | None, count: int) -> list[list[int]]:
        given = (
            [prefix or ""] * count if prefix is None or isinstance(prefix, str) else list(prefix)
        )
        if len(given) != count:
            raise UserError(f"prefix: found {len(given)} texts for {count} sources")
        return self.target_tokenizer.encode(given)

    def _translations(
        self,
        texts: Sequence[str],
        ids: Sequence[Sequence[int]],
        decoded: Sequence[Sequence[Hypothesis]],
        align: bool,
    ) -> list[Translation]:
        """Return texts, scores and alignments of hypotheses."""
        needed = [
            (row, rank)
            for row, hypotheses in enumerate(decoded)
            for rank, each in enumerate(hypotheses)
            if (align and not rank) or (self.replace_unknown and UNKNOWN in each.ids)
        ]
        weights = attention_weights(
            self, [ids[row] for row, _ in needed], [decoded[row][rank].ids for row, rank in needed]
        )
        attention = dict(zip(needed, weights, strict=True))
        items: list[Translation] = []
        for row, (text, hypotheses) in enumerate(zip(texts, decoded, strict=True)):
            source_tokens = self.source_tokenizer.tokens(ids[row])
            found: list[list[str]] = []
            for rank, each in enumerate(hypotheses):
                tokens = self.target_tokenizer.tokens(each.ids)
                if self.replace_unknown and (row, rank) in attention:
                    weights_TS = attention[row, rank]
                    tokens = replace_unknown(each.ids, tokens, source_tokens, text, weights_TS)
                found.append(tokens)
            alignment = None
            if align and found[0]:
                alignment = align_words(source_tokens, found[0], attention[row, 0], text)
            scores = [each.score for each in hypotheses]
            items.append(Translation(text, list(map(join_tokens, found)), scores, alignment))
        return items
