"""Network of the translation model: encoder, bridge, decoder.

Shapes: B batch, S source tokens (right-padded), T target tokens (right-padded), E embedding size, M
    features of the memory, L layers times directions, H hidden size, V tokens of the target
    vocabulary, N valid target tokens of a batch.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gru_suite.model.sequence_model import SequenceModel
from gru_suite.nn.backbone import State
from gru_suite.nn.cells.table import CELLS
from gru_suite.options import check_count, check_number, check_share
from gru_suite.text.subwords import PADDING, UNKNOWN, SubwordTokenizer

from ..batches.pair_dataset import PairBatch
from .decoder import AttentionDecoder, DecoderState, Memory
from .dropout import SequenceDropout

MAX_BEAM = 100


class Translator(SequenceModel):
    """Embedded source tokens -> backbone -> attention of a recurrent decoder -> target tokens.

    Encoder-decoder of Bahdanau et al. 2015 (arXiv 1409.0473) with the attention above the decoder's
    recurrence. Embeddings of the target are tied to the output (Press and Wolf 2017, arXiv
    1608.05859), with a shared vocabulary those of the source too.

    Attributes:
        source_tokenizer: of the sources.
        target_tokenizer: of the targets; the same with a shared vocabulary.
        beam_size: hypotheses that are kept at each step, by default.
        length_penalty: exponent of the length that log-probabilities are divided by.
    """

    name: ClassVar[str] = "translation"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        embedding_size: int = 256,
        decoder_layers: int = 2,
        attention: str = "dot",
        dropout: float = 0.3,
        copy: bool = False,
        beam_size: int = 5,
        length_penalty: float = 1.0,
        replace_unknown: bool = True,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack, the encoder; layers of the decoder have the
                same cell and as many units as the encoder gives features.
            schema: of the data module: tokenizers and lengths.
            embedding_size: features of a token.
            decoder_layers: recurrent layers of the decoder.
            attention: ``dot`` or ``additive``.
            dropout: share of features dropped between parts of the network, 0 to below 1.
            copy: whether source tokens can be copied (pointer-generator).
            beam_size: hypotheses that are kept at each step of decoding; 1 is greedy.
            length_penalty: hypotheses are compared by their log-probability divided by their
                number of tokens to the power of it; 0 compares log-probabilities.
            replace_unknown: replace an unknown word by the source word with the largest attention.

        Raises:
            UserError: an option is out of its range or set.
        """
        check_count("task.embedding_size", embedding_size, 1)
        check_count("task.decoder_layers", decoder_layers, 1)
        check_share("task.dropout", dropout)
        check_beam("task.beam_size", beam_size)
        check_number("task.length_penalty", length_penalty, 0, 10)
        super().__init__(backbone, embedding_size, schema)
        self.beam_size, self.length_penalty = beam_size, float(length_penalty)
        self.replace_unknown = replace_unknown
        self.source_tokenizer = SubwordTokenizer(schema["source_tokenizer"])
        shared = schema["target_tokenizer"] is None
        self.target_tokenizer = (
            self.source_tokenizer if shared else SubwordTokenizer(schema["target_tokenizer"])
        )
        self.embedding = _embedding(self.source_tokenizer.size, embedding_size)
        target = self.embedding
        if not shared:
            target = _embedding(self.target_tokenizer.size, embedding_size)
        self.dropout = SequenceDropout(dropout)
        units = self.backbone.output_size
        layer: dict[str, Any] = {"cell": self.backbone.cell, "activation": self.backbone.activation}
        self.decoder = AttentionDecoder(
            target,
            {**layer, "hidden_size": units},
            units,
            decoder_layers,
            attention,
            dropout,
            copy,
        )
        num_states = CELLS[self.backbone.cell].num_states
        self.bridges = nn.ModuleList(
            nn.Linear(units, units * decoder_layers) for _ in range(num_states)
        )
        copies = _common_tokens(self.source_tokenizer, self.target_tokenizer, shared)
        self.register_buffer("copies_V", copies, persistent=False)

    copies_V: Tensor

    def encode(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Memory, DecoderState]:
        """Return the memory of sources and the state that a decoder starts from."""
        x_BSE = self.dropout(self.embedding(source_BS))
        states_BSM, final = self.backbone(x_BSE, lengths_B)
        return self.memory(self.dropout(states_BSM), source_BS, lengths_B), self._bridge(final)

    def memory(self, states_BSM: Tensor, source_BS: Tensor, lengths_B: Tensor) -> Memory:
        """Return encoder states, with what attention and copy mechanism need of the sources."""
        return Memory(states_BSM, valid_steps(source_BS, lengths_B), self.copies_V[source_BS])

    def _bridge(self, final: State) -> DecoderState:
        """Return the decoder's first state: a layer on the encoder's last one, of its top layer."""
        directions = 2 if self.backbone.rnn.bidirectional else 1
        parts = [final] if isinstance(final, Tensor) else list(final)
        layers: list[tuple[Tensor, ...]] = []
        for bridge, part_LBH in zip(self.bridges, parts, strict=True):
            top_BM = torch.cat(list(part_LBH[-directions:]), dim=1)
            layers.append(torch.tanh(bridge(top_BM)).chunk(len(self.decoder.layers), dim=1))
        return tuple(part for layer in zip(*layers, strict=True) for part in layer)

    def forward(self, batch: PairBatch) -> Tensor:
        """Return the logits of every token of the targets, given those before it.

        Returns:
            Shape (N, V): tokens of the first target, ``END`` included, then of the next.
        """
        memory, state = self.encode(batch.source_BS, batch.source_lengths_B)
        return self.score_targets(memory, state, batch)

    def score_targets(self, memory: Memory, state: DecoderState, batch: PairBatch) -> Tensor:
        """Return what :meth:`forward` returns, from the encoder's outputs."""
        steps_B = batch.target_lengths_B - 1
        tokens_BT = batch.target_BT[:, : int(steps_B.max())]
        features_BTE, share_BT1, weights_BTS, _ = self.decoder(tokens_BT, memory, state, steps_B)
        valid_BT = valid_steps(tokens_BT, steps_B)
        copies_BTS = memory.copies_BS.unsqueeze(1).expand(weights_BTS.shape)
        logits_NV: Tensor = self.decoder.logits(
            features_BTE[valid_BT],
            share_BT1[valid_BT],
            weights_BTS[valid_BT],
            copies_BTS[valid_BT] if self.decoder.generate is not None else copies_BTS[:0],
        )
        return logits_NV

    def step(
        self, tokens_B: Tensor, memory: Memory, state: DecoderState
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """Return log-probabilities of the token after one, the attention, and the new state.

        Returns:
            Shapes (B, V), (B, S), and the state.
        """
        features_B1E, share_B11, weights_B1S, state = self.decoder(
            tokens_B.unsqueeze(1), memory, state
        )
        logits_BV = self.decoder.logits(
            features_B1E[:, 0], share_B11[:, 0], weights_B1S[:, 0], memory.copies_BS
        )
        return logits_BV.log_softmax(-1), weights_B1S[:, 0], state


def check_beam(key: str, value: Any) -> None:
    """Raise UserError unless a value is a size of a beam."""
    check_count(key, value, 1)
    check_number(key, value, 1, MAX_BEAM)


def valid_steps(tokens_BT: Tensor, lengths_B: Tensor) -> Tensor:
    """Return a mask of the valid steps, shape (B, T)."""
    return torch.arange(tokens_BT.size(1), device=tokens_BT.device) < lengths_B.unsqueeze(1)


def target_ids(batch: PairBatch) -> Tensor:
    """Return the tokens whose logits ``forward`` gives, shape (N,)."""
    steps_B = batch.target_lengths_B - 1
    labels_BT = batch.target_BT[:, 1 : int(steps_B.max()) + 1]
    return labels_BT[valid_steps(labels_BT, steps_B)]


def _embedding(vocabulary_size: int, embedding_size: int) -> nn.Embedding:
    """Return an embedding whose products with features of unit size start small."""
    embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
    nn.init.normal_(embedding.weight, std=embedding_size**-0.5)
    with torch.no_grad():
        embedding.weight[PADDING].zero_()
    return embedding


def _common_tokens(source: SubwordTokenizer, target: SubwordTokenizer, shared: bool) -> Tensor:
    """Return the id in the target vocabulary of each source token, ``UNKNOWN`` without one."""
    if shared:
        return torch.arange(source.size)
    ids = torch.full((source.size,), UNKNOWN)
    found: Mapping[str, int] = target.vocabulary()
    for token, number in source.vocabulary().items():
        ids[number] = found.get(token, UNKNOWN)
    return ids
