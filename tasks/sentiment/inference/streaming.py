"""Streams of texts that arrive in chunks.

Shapes: B streams, T tokens, P ids of a token, K classes.
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
from gru_suite.model.streaming.state import State, with_prefix, without_prefix
from gru_suite.model.streaming.stream import Row, StepwiseEncoder
from gru_suite.text.char_ngrams import MAX_NGRAMS
from gru_suite.text.tokenizer import UNKNOWN, token_ids

from ..network.text_classifier import TextClassifier

# Later characters change no token before one of these.
_SEPARATORS = re.compile(r"[\s.,;:!?\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b]")
# The tokenizer takes <br /> for white space, and it may not be complete.
_OPEN_BREAK = re.compile(r"<br\s*$")
_LONGEST_WORD = 10_000


class SentimentModule(ClassificationModule):
    """The network on chunks of token ids; the output is the logits, (B, K)."""

    def __init__(self, model: TextClassifier) -> None:
        """Build the module from a model's layers, whose weights it shares."""
        ids = () if model.tokenizer.ngrams is None else (1 + MAX_NGRAMS,)
        encoder = StepwiseEncoder(model.encoder, ids, torch.int64)
        super().__init__(encoder, model.backbone, model.poolings, model.head)
        self.wide, self.wide_share = model.wide, model.wide_share

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first chunk."""
        state = super().initial_state(batch_size)
        if self.wide is None:
            return state
        device = self.head.weight.device
        linear_state = with_prefix("wide", self.wide.initial_state(batch_size))
        return state | {name: part.to(device) for name, part in linear_state.items()}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits of the texts so far, as if they ended here, and the next state."""
        logits_BK, after = super().forward(chunk, state)
        if self.wide is None:
            return logits_BK, after
        linear_BK, linear_state = self.wide.advance(chunk, without_prefix("wide", state))
        logits_BK = torch.lerp(logits_BK, linear_BK, self.wide_share)
        return logits_BK, after | with_prefix("wide", linear_state)


class SentimentStream(ClassificationStream):
    """Predictions of texts while they are written.

    A chunk may end anywhere. Predictions include the unfinished word as it stands; it is kept as
    text until it is finished. Streams do not truncate, unlike ``predict``, which truncates texts
    longer than ``data.max_tokens``.
    """

    model: TextClassifier

    def _new_row(self) -> Row:
        """Return the text whose tokens are not final, and whether anything but blanks was seen."""
        return {"text": "", "num_steps": 0, "begun": False}

    def _read(self, row: Row, chunk: Any) -> ChunkInputs:
        if chunk is not None and not isinstance(chunk, str):
            raise UserError(f"a chunk of type {type(chunk).__name__}: needs a string")
        text = row["text"] + (chunk or "")
        end = final_prefix_length(text)
        if len(text) - end > _LONGEST_WORD:
            raise UserError(
                f"a word of {len(text) - end:,} characters: needs white space or punctuation after "
                f"at most {_LONGEST_WORD:,}"
            )
        encode = self.model.tokenizer.encode_chunk
        try:
            final, provisional = encode(text[:end]), encode(text[end:])
        except (TypeError, UnicodeEncodeError):
            raise UserError("a chunk of text has half of a surrogate pair") from None
        num_tokens = row["num_steps"] + len(final)
        after = {
            "text": text[end:],
            "num_steps": num_tokens,
            "begun": row["begun"] or bool(text.strip()),
        }
        if after["begun"] and not num_tokens and not len(provisional):
            # As TextTokenizer.encode of a text without tokens.
            provisional = provisional.new_zeros(1, *provisional.shape[1:])
            token_ids(provisional).fill_(UNKNOWN)
        return ChunkInputs(after, final, provisional if len(provisional) else None)


def final_prefix_length(text: str) -> int:
    """Return the length of the longest prefix whose tokens no later character can change."""
    end = max((match.end() for match in _SEPARATORS.finditer(text)), default=0)
    while end and _OPEN_BREAK.search(unicodedata.normalize("NFKC", text[:end])):
        earlier = (match.end() for match in _SEPARATORS.finditer(text, 0, end - 1))
        end = max(earlier, default=0)
    return end
