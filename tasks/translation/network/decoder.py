"""Recurrent decoder with attention above the recurrence.

Shapes: B batch, S source tokens (right-padded), T target tokens (right-padded), E embedding size, H
    units of the decoder, M features of the memory, V tokens of the target vocabulary, N valid
    target tokens of a batch.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.nn.backbone import RecurrentBackbone, State

from .attention import Attention
from .dropout import SequenceDropout

DecoderState = tuple[Tensor, ...]
"""States of the decoder's layers, batch first, (B, H) each; an lstm has two of a layer."""


class Memory(NamedTuple):
    """What a decoder attends to.

    Attributes:
        states_BSM: hidden states of the encoder.
        mask_BS: True at valid positions.
        copies_BS: ids in the target vocabulary of the source tokens, for the copy mechanism.
    """

    states_BSM: Tensor
    mask_BS: Tensor
    copies_BS: Tensor

    def select(self, rows: Tensor) -> "Memory":
        """Return some rows of the batch."""
        return Memory(*(part.index_select(0, rows) for part in self))


class AttentionDecoder(nn.Module):
    """Target tokens so far to the probabilities of the next one.

    The first recurrent layer reads the embedded tokens; its states attend to the memory; the second
    one, where there is one, reads state and context, and attends again. No layer reads what the
    attention gave at the step before, so that a whole target is one call of each layer in training
    (attention above the recurrence, as in Luong et al. 2015, without input feeding).

    With the copy mechanism (See et al. 2017, arXiv 1704.04368) the probability of a token is
    ``p_gen * P_vocabulary(token) + (1 - p_gen) * (weights of the source positions that hold it)``.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        backbone: dict[str, Any],
        memory_size: int,
        num_layers: int = 2,
        attention: str = "dot",
        dropout: float = 0.3,
        copy: bool = False,
    ) -> None:
        """Build layers and attention.

        Args:
            embedding: of the target tokens; its weights are those of the output too.
            backbone: cell, hidden_size and activation of the recurrent layers.
            memory_size: features of a position of the memory.
            num_layers: recurrent layers, 1 or more, each with an attention above it.
            attention: the score, see :class:`Attention`.
            dropout: share of features dropped after embedding, layers and before the output.
            copy: whether source tokens can be copied.
        """
        super().__init__()
        self.embedding = embedding
        features, hidden_size = embedding.embedding_dim, backbone["hidden_size"]
        self.layers, self.attentions = nn.ModuleList(), nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(RecurrentBackbone(features, **backbone))
            self.attentions.append(Attention(hidden_size, memory_size, attention))
            features = hidden_size + memory_size
        self.dropout, self.output_dropout = SequenceDropout(dropout), nn.Dropout(dropout)
        self.combine = nn.Linear(features, embedding.embedding_dim)
        self.bias_V = nn.Parameter(torch.zeros(embedding.num_embeddings))
        self.generate = nn.Linear(features, 1) if copy else None

    def forward(
        self,
        tokens_BT: Tensor,
        memory: Memory,
        state: DecoderState,
        lengths_B: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, DecoderState]:
        """Return features and attention for the token after each one.

        Args:
            tokens_BT: token ids, ``BEGIN`` first.
            memory: of the sources.
            state: of the layers before the first token.
            lengths_B: valid tokens; None means all.

        Returns:
            Features of the output, (B, T, E), shares of generated against copied tokens, (B, T, 1),
            weights of the last attention, (B, T, S), and the state after the last valid token.
        """
        x_BTF = self.dropout(self.embedding(tokens_BT))
        after: list[Tensor] = []
        weights_BTS = x_BTF
        per_layer = len(state) // len(self.layers)
        for index, (layer, attention) in enumerate(zip(self.layers, self.attentions, strict=True)):
            own = state[index * per_layer : (index + 1) * per_layer]
            h_BTH, final = layer(x_BTF, lengths_B, _to_backbone(own))
            after += _from_backbone(final)
            h_BTH = self.dropout(h_BTH)
            context_BTM, weights_BTS = attention(h_BTH, memory.states_BSM, memory.mask_BS)
            x_BTF = torch.cat([h_BTH, context_BTM], dim=2)
        share_BT1 = (
            x_BTF.new_ones((*x_BTF.shape[:2], 1))
            if self.generate is None
            else torch.sigmoid(self.generate(x_BTF))
        )
        features_BTE = self.output_dropout(torch.tanh(self.combine(x_BTF)))
        return features_BTE, share_BT1, weights_BTS, tuple(after)

    def logits(
        self, features_NE: Tensor, share_N1: Tensor, weights_NS: Tensor, copies_NS: Tensor
    ) -> Tensor:
        """Return log-probabilities of the vocabulary up to a constant, shape (N, V).

        Args:
            features_NE: features of the output.
            share_N1: probability that the token is generated.
            weights_NS: attention over the source.
            copies_NS: ids in the target vocabulary of the source tokens; ``UNKNOWN`` for those that
                it does not have.
        """
        logits_NV = F.linear(features_NE, self.embedding.weight, self.bias_V).float()
        if self.generate is None:
            return logits_NV
        weights_NS = weights_NS.to(logits_NV.dtype)
        copied_NV = torch.zeros_like(logits_NV).scatter_add(1, copies_NS, weights_NS)
        mixed_NV = share_N1 * logits_NV.softmax(-1) + (1 - share_N1) * copied_NV
        return mixed_NV.clamp(min=torch.finfo(torch.float32).tiny).log()


def _to_backbone(state: DecoderState) -> State:
    parts = tuple(part_BH.unsqueeze(0) for part_BH in state)
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


def _from_backbone(state: State) -> list[Tensor]:
    parts = [state] if isinstance(state, Tensor) else list(state)
    return [part_LBH[0] for part_LBH in parts]
