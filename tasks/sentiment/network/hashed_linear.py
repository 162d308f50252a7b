"""Linear classifier on hashed tf-idf features: words, word pairs and character n-grams.

Shapes: B batch, T tokens (right-padded), P ids of a token (its own, then those of its character
    n-grams, right-padded), M occurrences of features in a text, N groups of features, W buckets,
    K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.text.tokenizer import PADDING, UNKNOWN

# Any large odd multipliers; their products with token ids stay far below 2^63.
_LEFT, _RIGHT, _MODULUS = 2_654_435_761, 2_246_822_519, 2**31 - 1
# Right word of the "pair" that stands for a single word; no token has this id.
_NO_WORD = 2**30


class HashedLinear(nn.Module):
    """Linear classifier on hashed bags of words, word pairs and character n-grams.

    The value of a feature is ``(1 + log count) * idf``, scaled so that the features of a text have
    Euclidean norm 1: words and pairs together, and n-grams together. Weights are fitted by logistic
    regression before the recurrent network trains, and fixed.

    Attributes:
        num_buckets: buckets of words and pairs, and as many of n-grams.
        ignored_bucket: the last one, of features that are not counted.
        idf_W: inverse document frequency, 0 for features of no training text.
        weight_WK: weights.
        bias_K: biases.
    """

    idf_W: Tensor
    weight_WK: Tensor
    bias_K: Tensor

    def __init__(self, num_buckets: int, num_classes: int, char_ngrams: bool) -> None:
        """Build a classifier with weights of zero.

        Args:
            num_buckets: buckets of words and pairs, and as many of n-grams.
            num_classes: K.
            char_ngrams: whether tokens have character n-grams.
        """
        super().__init__()
        self.num_buckets = num_buckets
        self.ignored_bucket = (1 + char_ngrams) * num_buckets
        self.register_buffer("idf_W", torch.zeros(self.ignored_bucket + 1))
        self.register_buffer("weight_WK", torch.zeros(self.ignored_bucket + 1, num_classes))
        self.register_buffer("bias_K", torch.zeros(num_classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, shape (B, K).

        Args:
            tokens: token ids, shape (B, T), or with those of their n-grams (B, T, P).
        """
        bucket_BM, value_BM = self.features(tokens)
        value_BM = value_BM.to(self.weight_WK.dtype)
        if torch.compiler.is_exporting():
            # ONNX has no EmbeddingBag.
            weight_BMK = F.embedding(bucket_BM, self.weight_WK)
            return self.bias_K + (weight_BMK * value_BM.unsqueeze(2)).sum(1)
        return self.bias_K + F.embedding_bag(
            bucket_BM, self.weight_WK, per_sample_weights=value_BM, mode="sum"
        )

    def features(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return bucket and value of each occurrence of a feature in a text, shape (B, M).

        Occurrences are the T words, the T + 1 pairs (start and end of the text are words here) and
        the T * (P - 1) n-grams. The value of a feature is split evenly among its occurrences.
        """
        words_BM, ngrams_BM = self._buckets(tokens)
        groups = [words_BM] if ngrams_BM is None else [words_BM, ngrams_BM]
        values = [self._values(bucket_BM) for bucket_BM in groups]
        return torch.cat(groups, 1), torch.cat(values, 1)

    def token_scores(self, tokens_1T: Tensor) -> Tensor:
        """Return the contribution of each token of one text to the logits, shape (T, K).

        The contribution of a pair is split evenly between its two words.
        """
        bucket_1M, value_1M = self.features(tokens_1T)
        score_MK = value_1M[0, :, None] * self.weight_WK[bucket_1M[0]]
        num_tokens = tokens_1T.size(1)
        words_TK, pairs_TK, ngrams_MK = score_MK.tensor_split([num_tokens, 2 * num_tokens + 1])
        # The first and the last pair have one word of the text.
        pairs_TK[[0, -1]] *= 2
        scores_TK = words_TK + (pairs_TK[:-1] + pairs_TK[1:]) / 2
        if len(ngrams_MK):
            scores_TK = scores_TK + ngrams_MK.unflatten(0, (num_tokens, -1)).sum(1)
        return scores_TK

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        """Return the state of :meth:`advance` before the first token."""
        num_groups = 2 if self.ignored_bucket > self.num_buckets else 1
        # float64, since rounding errors would add up over the updates.
        sums_BN = torch.zeros(batch_size, num_groups, dtype=torch.float64)
        return {
            "last": torch.full((batch_size,), PADDING),
            "squares": sums_BN,
            "scores": sums_BN.unsqueeze(2).repeat(1, 1, len(self.bias_K)),
            "counts": torch.zeros(batch_size, len(self.idf_W), dtype=torch.int32),
        }

    def advance(self, tokens: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the logits after the next tokens of texts, as if the texts ended there.

        Args:
            tokens: as for :meth:`forward`, without padding.
            state: the last token, the count of every feature, and of each group of features the
                squared norm and the logits before scaling; see :meth:`initial_state`.

        Returns:
            Logits of the texts so far, shape (B, K), and the next state, of constant size. The cost
            depends on the number of new tokens alone.
        """
        ids_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        previous_BT = torch.cat([state["last"].unsqueeze(1), ids_BT[:, :-1]], 1)
        left_BM = torch.cat([ids_BT, previous_BT], 1)
        right_BM = torch.cat([torch.full_like(ids_BT, _NO_WORD), ids_BT], 1)
        groups = [self._word_buckets(left_BM, right_BM)]
        if tokens.dim() == 3:
            groups.append(self._ngram_buckets(tokens))
        counts_BW = state["counts"]
        changes = [self._increments(bucket_BM, counts_BW) for bucket_BM in groups]
        squares_BN = state["squares"] + torch.stack([change for change, _ in changes], 1)
        scores_BNK = state["scores"] + torch.stack([change for _, change in changes], 1)
        bucket_BM = torch.cat(groups, 1)
        ones_BM = torch.ones_like(bucket_BM, dtype=counts_BW.dtype)
        counts_BW = counts_BW.scatter_add(1, bucket_BM, ones_BM)
        last_B = ids_BT[:, -1]
        after = {"last": last_B, "squares": squares_BN, "scores": scores_BNK, "counts": counts_BW}
        # The pair of last word and end of text counts for these logits, not for the next state.
        end_B1 = self._word_buckets(last_B.unsqueeze(1), torch.full_like(ids_BT[:, -1:], PADDING))
        squares_B, scores_BK = self._increments(end_B1, counts_BW)
        squares_BN = torch.cat([squares_BN[:, :1] + squares_B.unsqueeze(1), squares_BN[:, 1:]], 1)
        scores_BNK = torch.cat([scores_BNK[:, :1] + scores_BK.unsqueeze(1), scores_BNK[:, 1:]], 1)
        norm_BN1 = squares_BN.clamp(min=0).sqrt().clamp(min=1e-12).unsqueeze(2)
        return self.bias_K + (scores_BNK / norm_BN1).sum(1).to(self.bias_K.dtype), after

    def _increments(self, bucket_BM: Tensor, counts_BW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the changes of squared norm, (B,), and unscaled logits, (B, K), by occurrences.

        Args:
            bucket_BM: buckets of the new occurrences.
            counts_BW: occurrences of each bucket before.
        """
        old_BM = counts_BW.gather(1, bucket_BM)
        new_BM = _counts(bucket_BM)
        idf_BM = self.idf_W[bucket_BM].double()
        before_BM = (1 + old_BM.clamp(min=1).double().log()) * idf_BM * (old_BM > 0)
        after_BM = (1 + (old_BM + new_BM).double().log()) * idf_BM
        # The change of a feature is split evenly among its new occurrences.
        squares_B = ((after_BM**2 - before_BM**2) / new_BM).sum(1)
        share_BM1 = ((after_BM - before_BM) / new_BM).unsqueeze(2)
        return squares_B, (share_BM1 * self.weight_WK[bucket_BM]).sum(1)

    def _buckets(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the buckets of words and pairs, and of n-grams if there are any."""
        ids_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        # Padding stands for the start and the end of a text.
        left_BT, right_BT = F.pad(ids_BT, (1, 0)), F.pad(ids_BT, (0, 1))
        left_BM = torch.cat([ids_BT, left_BT], 1)
        right_BM = torch.cat([torch.full_like(ids_BT, _NO_WORD), right_BT], 1)
        words_BM = self._word_buckets(left_BM, right_BM)
        return words_BM, None if tokens.dim() == 2 else self._ngram_buckets(tokens)

    def _word_buckets(self, left_BM: Tensor, right_BM: Tensor) -> Tensor:
        """Return the buckets of pairs; those with unknown words or of padding are ignored."""
        counted_BM = (left_BM != UNKNOWN) & (right_BM != UNKNOWN)
        counted_BM &= (left_BM + right_BM != PADDING) & (left_BM + right_BM != _NO_WORD)
        words_BM = (left_BM * _LEFT + right_BM * _RIGHT) % _MODULUS % self.num_buckets
        return words_BM.where(counted_BM, self.ignored_bucket)

    def _ngram_buckets(self, tokens: Tensor) -> Tensor:
        ngrams_BM = tokens[..., 1:].flatten(1)
        buckets_BM = self.num_buckets + ngrams_BM % self.num_buckets
        return buckets_BM.where(ngrams_BM != PADDING, self.ignored_bucket)

    def _values(self, bucket_BM: Tensor) -> Tensor:
        """Return the share of each occurrence in the value of its feature."""
        count_BM = _counts(bucket_BM)
        value_BM = (1 + count_BM.log()) * self.idf_W[bucket_BM]
        norm_B1 = (value_BM**2 / count_BM).sum(1, keepdim=True).sqrt()
        return value_BM / count_BM / norm_B1.clamp(min=1e-12)


def _counts(bucket_BM: Tensor) -> Tensor:
    """Return the number of occurrences in its row of the bucket at each position."""
    # By operations that ONNX has: searchsorted, which is shorter, is not among them.
    sorted_BM, order_BM = bucket_BM.sort(1)
    first_BM = F.pad(sorted_BM[:, 1:] != sorted_BM[:, :-1], (1, 0), value=True)
    feature_BM = first_BM.long().cumsum(1) - 1
    ones_BM = torch.ones_like(sorted_BM)
    count_BM = torch.zeros_like(sorted_BM).scatter_add_(1, feature_BM, ones_BM)
    return torch.empty_like(sorted_BM).scatter_(1, order_BM, count_BM.gather(1, feature_BM))
