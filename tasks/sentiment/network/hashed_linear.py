"""Linear classifier on hashed tf-idf features: words, word pairs and character n-grams.

Shapes: B batch, T tokens (right-padded), P ids of a token (its own, then those of its character
    n-grams, right-padded), M occurrences of features in a text, W buckets, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..batches.tokenizer import PADDING, UNKNOWN

# Any large odd numbers; products with token numbers stay far below 2^63.
_LEFT, _RIGHT, _MODULUS = 2_654_435_761, 2_246_822_519, 2**31 - 1
# In the place of a pair's right word; no token has this number.
_ALONE = 2**30


class HashedLinear(nn.Module):
    """Logistic regression on hashed words, word pairs and character n-grams.

    Each feature weighs ``(1 + log count) * idf``, and the features of a text are scaled to length
    1, words and pairs apart from n-grams. It is fitted once, before the recurrent path trains, and
    then fixed: fitted together, it would explain the training texts so fast that nothing is left
    for the recurrence to learn.
    """

    idf_W: Tensor
    weight_WK: Tensor
    bias_K: Tensor

    def __init__(
        self,
        num_buckets: int,
        num_classes: int,
        char_ngrams: bool,
    ) -> None:
        """Build a path that says nothing yet.

        Args:
            num_buckets: weights that words and pairs share, and as many for n-grams.
            num_classes: K.
            char_ngrams: whether tokens have character n-grams.
        """
        super().__init__()
        self.num_buckets = num_buckets
        # The last bucket is that of features that do not count.
        self.ignored_bucket = (1 + char_ngrams) * num_buckets
        self.register_buffer("idf_W", torch.zeros(self.ignored_bucket + 1))
        self.register_buffer("weight_WK", torch.zeros(self.ignored_bucket + 1, num_classes))
        self.register_buffer("bias_K", torch.zeros(num_classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, shape (B, K).

        Args:
            tokens: their numbers, shape (B, T), or with those of their n-grams (B, T, P).
        """
        index_BM, value_BM = self.features(tokens)
        if torch.compiler.is_exporting():
            # Other formats have no such table.
            weight_BMK = F.embedding(index_BM, self.weight_WK)
            return self.bias_K + (weight_BMK * value_BM.unsqueeze(2)).sum(1)
        return self.bias_K + F.embedding_bag(
            index_BM, self.weight_WK, per_sample_weights=value_BM, mode="sum"
        )

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        """Return what :meth:`advance` begins with: texts in which nothing has been counted."""
        num_blocks = 2 if self.ignored_bucket > self.num_buckets else 1
        sums_BN = torch.zeros(batch_size, num_blocks, dtype=torch.float64)
        return {
            "last": torch.full((batch_size,), PADDING),
            "squares": sums_BN,
            "scores": sums_BN.unsqueeze(2).repeat(1, 1, len(self.bias_K)),
            "counts": torch.zeros(batch_size, len(self.idf_W), dtype=torch.int32),
        }

    def advance(self, tokens: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Go on with the next tokens of texts.

        Args:
            tokens: as for :meth:`forward`; none is padding.
            state: how often every feature was seen, the sums over the features, in float64 as they
                are changed many times, and the last token; of :meth:`initial_state` at the begin.

        Returns:
            The logits of the texts so far, shape (B, K), and the next state. Its size does not
            change; what it costs depends on the new tokens alone.
        """
        own_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        before_BT = torch.cat([state["last"].unsqueeze(1), own_BT[:, :-1]], 1)
        left_BM = torch.cat([own_BT, before_BT], 1)
        right_BM = torch.cat([torch.full_like(own_BT, _ALONE), own_BT], 1)
        blocks = [self._word_buckets(left_BM, right_BM)]
        if tokens.dim() == 3:
            blocks.append(self._gram_buckets(tokens))
        counts_BW = state["counts"]
        changes = [self._change(index_BM, counts_BW) for index_BM in blocks]
        squares_BN = state["squares"] + torch.stack([change for change, _ in changes], 1)
        scores_BNK = state["scores"] + torch.stack([change for _, change in changes], 1)
        index_BM = torch.cat(blocks, 1)
        ones_BM = torch.ones_like(index_BM, dtype=counts_BW.dtype)
        counts_BW = counts_BW.scatter_add(1, index_BM, ones_BM)
        last_B = own_BT[:, -1]
        after = {"last": last_B, "squares": squares_BN, "scores": scores_BNK, "counts": counts_BW}
        # For the answer the text ends here; the state does not know of an end.
        end_B1 = self._word_buckets(last_B.unsqueeze(1), torch.full_like(own_BT[:, -1:], PADDING))
        squares_B, scores_BK = self._change(end_B1, counts_BW)
        squares_BN = torch.cat([squares_BN[:, :1] + squares_B.unsqueeze(1), squares_BN[:, 1:]], 1)
        scores_BNK = torch.cat([scores_BNK[:, :1] + scores_BK.unsqueeze(1), scores_BNK[:, 1:]], 1)
        length_BN1 = squares_BN.clamp(min=0).sqrt().clamp(min=1e-12).unsqueeze(2)
        return self.bias_K + (scores_BNK / length_BN1).sum(1).to(self.bias_K.dtype), after

    def _change(self, index_BM: Tensor, counts_BW: Tensor) -> tuple[Tensor, Tensor]:
        """Return what more occurrences add to the squared length, (B,), and to the logits, (B, K).

        Args:
            index_BM: buckets of the occurrences.
            counts_BW: how often each bucket was seen before.
        """
        known_BM = counts_BW.gather(1, index_BM)
        new_BM = _multiplicity(index_BM)
        idf_BM = self.idf_W[index_BM].double()
        before_BM = (1 + known_BM.clamp(min=1).double().log()) * idf_BM * (known_BM > 0)
        after_BM = (1 + (known_BM + new_BM).double().log()) * idf_BM
        # Each occurrence brings its share of what all of its feature bring.
        squares_B = ((after_BM**2 - before_BM**2) / new_BM).sum(1)
        share_BM1 = ((after_BM - before_BM) / new_BM).unsqueeze(2)
        return squares_B, (share_BM1 * self.weight_WK[index_BM]).sum(1)

    def features(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return buckets and values of each place of a text, shape (B, M).

        The places are its T words, its T + 1 pairs (begin and end of the text are words here), and
        its T * (P - 1) n-grams. One that occurs several times has its value shared out.
        """
        words_BM, grams_BM = self._buckets(tokens)
        blocks = [words_BM] if grams_BM is None else [words_BM, grams_BM]
        values = [self._values(index_BM) for index_BM in blocks]
        return torch.cat(blocks, 1), torch.cat(values, 1)

    def token_scores(self, tokens_1T: Tensor) -> Tensor:
        """Return what each token of one text adds to the logits, shape (T, K).

        A pair's part goes to its two words in halves.
        """
        index_1M, value_1M = self.features(tokens_1T)
        score_MK = value_1M[0, :, None] * self.weight_WK[index_1M[0]]
        num_tokens = tokens_1T.size(1)
        words_TK, pairs_TK, grams_MK = score_MK.tensor_split([num_tokens, 2 * num_tokens + 1])
        pairs_TK[[0, -1]] *= 2
        scores_TK = words_TK + (pairs_TK[:-1] + pairs_TK[1:]) / 2
        if len(grams_MK):
            scores_TK = scores_TK + grams_MK.unflatten(0, (num_tokens, -1)).sum(1)
        return scores_TK

    def _buckets(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the buckets of words and pairs, and of n-grams where there are any."""
        own_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        # Padding stands for the begin and the end of a text.
        left_BT, right_BT = F.pad(own_BT, (1, 0)), F.pad(own_BT, (0, 1))
        left_BM = torch.cat([own_BT, left_BT], 1)
        right_BM = torch.cat([torch.full_like(own_BT, _ALONE), right_BT], 1)
        words_BM = self._word_buckets(left_BM, right_BM)
        return words_BM, None if tokens.dim() == 2 else self._gram_buckets(tokens)

    def _word_buckets(self, left_BM: Tensor, right_BM: Tensor) -> Tensor:
        known_BM = (left_BM != UNKNOWN) & (right_BM != UNKNOWN)
        known_BM &= (left_BM + right_BM != PADDING) & (left_BM + right_BM != _ALONE)
        words_BM = (left_BM * _LEFT + right_BM * _RIGHT) % _MODULUS % self.num_buckets
        return words_BM.where(known_BM, self.ignored_bucket)

    def _gram_buckets(self, tokens: Tensor) -> Tensor:
        grams_BM = tokens[..., 1:].flatten(1)
        buckets_BM = self.num_buckets + grams_BM % self.num_buckets
        return buckets_BM.where(grams_BM != PADDING, self.ignored_bucket)

    def _values(self, index_BM: Tensor) -> Tensor:
        """Return the share of each place in the value of its feature."""
        count_BM = _multiplicity(index_BM)
        value_BM = (1 + count_BM.log()) * self.idf_W[index_BM]
        length_B1 = (value_BM**2 / count_BM).sum(1, keepdim=True).sqrt()
        return value_BM / count_BM / length_B1.clamp(min=1e-12)


def _multiplicity(index_BM: Tensor) -> Tensor:
    """Return how often the number at each place stands in its row."""
    sorted_BM, order_BM = index_BM.sort(1)
    first_BM = F.pad(sorted_BM[:, 1:] != sorted_BM[:, :-1], (1, 0), value=True)
    feature_BM = first_BM.long().cumsum(1) - 1
    ones_BM = torch.ones_like(sorted_BM)
    count_BM = torch.zeros_like(sorted_BM).scatter_add_(1, feature_BM, ones_BM)
    return torch.empty_like(sorted_BM).scatter_(1, order_BM, count_BM.gather(1, feature_BM))
