"""The task on text that comes piece by piece.

Shapes: B streams, T tokens, P numbers of a token, K classes.
"""

import re
import unicodedata
from typing import Any

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.streaming.classification import (
    ChunkInputs,
    ClassificationModule,
    ClassificationStream,
)
from gru_suite.model.streaming.state import State, named, under
from gru_suite.model.streaming.stream import Row, StepwiseEncoder

from ..batches.char_ngrams import MAX_NGRAMS
from ..batches.tokenizer import UNKNOWN
from ..network.text_classifier import TextClassifier

# After one of these no later character changes the tokens before it.
_SEPARATORS = re.compile(r"[\s.,;:!?\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b]")
# The tokenizer takes <br /> for white space, and it may not be complete.
_OPEN_BREAK = re.compile(r"<br\s*$")
_LONGEST_WORD = 10_000


class SentimentModule(ClassificationModule):
    """The recurrent path and, beside it, the linear one; chunks are token numbers."""

    def __init__(self, model: TextClassifier) -> None:
        """Take over a model's layers; weights are shared."""
        ids = () if model.codec.ngrams is None else (1 + MAX_NGRAMS,)
        encoder = StepwiseEncoder(model.encoder, ids, torch.int64)
        super().__init__(encoder, model.backbone, model.poolings, model.head)
        self.wide, self.wide_share = model.wide, model.wide_share

    def initial_state(self, batch_size: int) -> State:
        """Return what the first chunk begins with."""
        state = super().initial_state(batch_size)
        if self.wide is None:
            return state
        device = self.head.weight.device
        wide = named("wide", self.wide.initial_state(batch_size))
        return state | {name: part.to(device) for name, part in wide.items()}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits of the texts so far, as if they ended here, and the next state."""
        logits_BK, after = super().forward(chunk, state)
        if self.wide is None:
            return logits_BK, after
        wide_BK, wide = self.wide.advance(chunk, under("wide", state))
        return torch.lerp(logits_BK, wide_BK, self.wide_share), after | named("wide", wide)


class SentimentStream(ClassificationStream):
    """Follows texts while they are written: a piece in, an answer out.

    A piece may end anywhere. The answer takes the unfinished word as it stands; the word is kept as
    text until it is finished. All tokens are read: ``predict`` cuts texts longer than
    ``data.max_tokens``, a stream does not.
    """

    model: TextClassifier

    def _new_row(self) -> Row:
        """Return the text whose tokens are not final, and whether anything but blanks was seen."""
        return {"text": "", "num_steps": 0, "begun": False}

    def _read(self, row: Row, chunk: Any) -> ChunkInputs:
        if chunk is not None and not isinstance(chunk, str):
            raise UserError(f"a piece of type {type(chunk).__name__}: needs a string")
        text = row["text"] + (chunk or "")
        end = finished(text)
        if len(text) - end > _LONGEST_WORD:
            raise UserError(
                f"a word of {len(text) - end:,} characters: needs white space or punctuation after "
                f"at most {_LONGEST_WORD:,}"
            )
        try:
            taken, left = (self.model.codec.numbers(part) for part in (text[:end], text[end:]))
        except (TypeError, UnicodeEncodeError):
            raise UserError("a piece of text holds half of a surrogate pair") from None
        num_tokens = row["num_steps"] + len(taken)
        after = {
            "text": text[end:],
            "num_steps": num_tokens,
            "begun": row["begun"] or bool(text.strip()),
        }
        if after["begun"] and not num_tokens and not len(left):
            # As TextCodec.encode does with a text that has no token.
            left = left.new_zeros(1, *left.shape[1:])
            (left if left.dim() == 1 else left[:, 0]).fill_(UNKNOWN)
        return ChunkInputs(after, taken, left if len(left) else None)


def finished(text: str) -> int:
    """Return how many characters at the start have tokens that nothing after them can change."""
    end = max((match.end() for match in _SEPARATORS.finditer(text)), default=0)
    while end and _OPEN_BREAK.search(unicodedata.normalize("NFKC", text[:end])):
        before = (match.end() for match in _SEPARATORS.finditer(text, 0, end - 1))
        end = max(before, default=0)
    return end
