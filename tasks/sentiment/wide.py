"""A linear path beside the recurrent one: what single words, word pairs and word parts say.

Shapes: B batch, T tokens (right-padded), P numbers of a token, M features of a text, N texts,
    W buckets, K classes.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.data import SequenceBatch
from gru_suite.transfer import TAKEN

from .tokens import PADDING, UNKNOWN

INVERSE_PENALTY = 10.0
"""C of the logistic regression."""
PRIOR_SHARE = 0.5
"""Factor of another path's weights, chosen on a held-out part of SST-2's training sentences."""

# Any large odd numbers; products with token numbers stay far below 2^63.
_LEFT, _RIGHT, _MODULUS = 2_654_435_761, 2_246_822_519, 2**31 - 1
# In the place of a pair's right word; no token has this number.
_ALONE = 2**30


class WidePath(nn.Module):
    """Logistic regression on hashed words, word pairs and character n-grams.

    Each feature weighs ``(1 + log count) * idf``, and the features of a text are scaled to length
    1, words and pairs apart from n-grams. It is fitted once, before the recurrent path trains, and
    then fixed: fitted together, it would explain the training texts so fast that nothing is left
    for the recurrence to learn.
    """

    idf_W: Tensor
    weight_WK: Tensor
    bias_K: Tensor

    def __init__(self, num_buckets: int, num_classes: int, char_ngrams: bool) -> None:
        """Build a path that says nothing yet.

        Args:
            num_buckets: weights that words and pairs share, and as many for n-grams.
            num_classes: K.
            char_ngrams: whether tokens have character n-grams.
        """
        super().__init__()
        self.num_buckets = num_buckets
        # The last bucket is that of features that do not count.
        self.nowhere = (1 + char_ngrams) * num_buckets
        self.register_buffer("idf_W", torch.zeros(self.nowhere + 1))
        self.register_buffer("weight_WK", torch.zeros(self.nowhere + 1, num_classes))
        self.register_buffer("bias_K", torch.zeros(num_classes))
        # For the next fit only, so in no checkpoint.
        self._prior: dict[str, Tensor] | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, shape (B, K).

        Args:
            tokens: their numbers, shape (B, T), or with those of their n-grams (B, T, P).
        """
        index_BM, value_BM = self.features(tokens)
        return self.bias_K + F.embedding_bag(
            index_BM, self.weight_WK, per_sample_weights=value_BM, mode="sum"
        )

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

    def take_prior(self, state: Mapping[str, Tensor], prefix: str) -> str:
        """Let the next fit know what a path of the same vocabulary and labels says.

        Args:
            state: of a whole task.
            prefix: of a path's names in it.

        Returns:
            What became of it, for a person.
        """
        own = self.state_dict()
        found = {name: state[prefix + name] for name in own if prefix + name in state}
        if any(name not in found or found[name].shape != own[name].shape for name in own):
            return "left: no path there, or task.wide_buckets of another number"
        self._prior = found
        return TAKEN

    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Learn from the batches of the training texts.

        What a prior says of a text is added afterwards: a factor learned with the rest would be too
        small, since the rest knows the training texts by heart.
        """
        known = [(batch.x, batch.labels_B) for batch in batches]
        labels_N = torch.cat([labels_B for _, labels_B in known]).numpy()
        # A fit begins anew, whatever was learned before.
        self.idf_W.fill_(1)
        counts_W = np.asarray((self._matrix(x for x, _ in known) > 0).sum(0)).ravel()
        # What no training text has says nothing, and must not make the rest of a text weigh less.
        counts_W[-1] = 0
        (used,) = counts_W.nonzero()
        for buffer in (self.idf_W, self.weight_WK, self.bias_K):
            buffer.zero_()
        if not len(used):
            return
        idf = np.log((1 + len(labels_N)) / (1 + counts_W[used])) + 1
        self.idf_W[used] = torch.from_numpy(idf).float()
        features_NW = self._matrix(x for x, _ in known)
        weight_KM, bias_K = _logistic(features_NW[:, used], labels_N, len(self.bias_K))
        self.weight_WK[used] = torch.from_numpy(weight_KM.T).float()
        self.bias_K.copy_(torch.from_numpy(bias_K))
        if self._prior is not None:
            self._add(self._prior, [x for x, _ in known])

    def _add(self, prior: Mapping[str, Tensor], texts: Sequence[Tensor]) -> None:
        """Add what a prior says, centred on the training texts, whose answers differ in mean."""
        # A feature that no training text has counts as it did for the prior.
        self.idf_W.copy_(self.idf_W.where(self.idf_W > 0, prior["idf_W"]))
        weight_WK = PRIOR_SHARE * prior["weight_WK"]
        said_NK = self._matrix(texts) @ weight_WK.numpy()
        self.weight_WK += weight_WK
        self.bias_K -= torch.from_numpy(np.median(said_NK, axis=0)).float()

    def _matrix(self, tokens: Iterable[Tensor]) -> csr_matrix:
        """Return the features of texts, shape (N, W)."""
        rows, columns, values = [], [], []
        num_texts = 0
        for part in tokens:
            index_BM, value_BM = self.features(part)
            row_B, place_B = value_BM.nonzero(as_tuple=True)
            rows.append(num_texts + row_B)
            columns.append(index_BM[row_B, place_B])
            values.append(value_BM[row_B, place_B])
            num_texts += len(part)
        data, row, column = (torch.cat(part).numpy() for part in (values, rows, columns))
        # Values of one text in one bucket are added.
        return csr_matrix((data, (row, column)), (num_texts, len(self.idf_W)))

    def _buckets(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the buckets of words and pairs, and of n-grams where there are any."""
        own_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        # Padding stands for the begin and the end of a text.
        left_BT, right_BT = F.pad(own_BT, (1, 0)), F.pad(own_BT, (0, 1))
        left_BM = torch.cat([own_BT, left_BT], 1)
        right_BM = torch.cat([torch.full_like(own_BT, _ALONE), right_BT], 1)
        known_BM = (left_BM != UNKNOWN) & (right_BM != UNKNOWN)
        known_BM &= (left_BM + right_BM != PADDING) & (left_BM + right_BM != _ALONE)
        words_BM = (left_BM * _LEFT + right_BM * _RIGHT) % _MODULUS % self.num_buckets
        words_BM = words_BM.where(known_BM, self.nowhere)
        if tokens.dim() == 2:
            return words_BM, None
        grams_BM = tokens[..., 1:].flatten(1)
        buckets_BM = self.num_buckets + grams_BM % self.num_buckets
        return words_BM, buckets_BM.where(grams_BM != PADDING, self.nowhere)

    def _values(self, index_BM: Tensor) -> Tensor:
        """Return the share of each place in the value of its feature."""
        sorted_BM, order_BM = index_BM.sort(1)
        first_BM = F.pad(sorted_BM[:, 1:] != sorted_BM[:, :-1], (1, 0), value=True)
        feature_BM = first_BM.long().cumsum(1) - 1
        ones_BM = torch.ones_like(sorted_BM)
        count_BM = torch.zeros_like(sorted_BM).scatter_add_(1, feature_BM, ones_BM)
        count_BM = torch.empty_like(sorted_BM).scatter_(1, order_BM, count_BM.gather(1, feature_BM))
        value_BM = (1 + count_BM.log()) * self.idf_W[index_BM]
        length_B1 = (value_BM**2 / count_BM).sum(1, keepdim=True).sqrt()
        return value_BM / count_BM / length_B1.clamp(min=1e-12)


def _logistic(
    features_NM: csr_matrix, labels_N: NDArray[np.int64], num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights, shape (K, M), and biases, shape (K,)."""
    # Slow to import, and needed by trainings only.
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    # As in the baseline: the dual solver is faster, but knows two classes only.
    options = {"solver": "liblinear", "dual": True} if num_classes == 2 else {}
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300, random_state=0, **options)
    with warnings.catch_warnings():
        # By then no answer changes any more.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features_NM, labels_N)
    weight_KM, bias_K = model.coef_, model.intercept_
    if len(weight_KM) == 1:
        weight_KM, bias_K = (np.concatenate([-x, x]) / 2 for x in (weight_KM, bias_K))
    # A class may lack in a small training part.
    weights_KM, biases_K = np.zeros((num_classes, weight_KM.shape[1])), np.full(num_classes, -1e3)
    weights_KM[model.classes_], biases_K[model.classes_] = weight_KM, bias_K
    return weights_KM, biases_K
