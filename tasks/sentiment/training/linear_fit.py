"""Fit of the hashed linear classifier by logistic regression, with or without a prior.

Shapes: B batch, T tokens (right-padded), M features of a text, N texts, W buckets, K classes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack  # type: ignore[import-untyped]
from torch import Tensor

from gru_suite.model.batches import SequenceBatch

from ..network.hashed_linear import HashedLinear
from .logistic_regression import fit_logistic, held_out_logits, stacking_weights

# Texts whose features are in memory at once.
_MAX_TEXTS = 25_000


def fit_linear(
    layer: HashedLinear,
    batches: Iterable[SequenceBatch],
    inverse_penalty: float,
    prior: Mapping[str, Tensor] | None = None,
) -> None:
    """Fit the layer to the training texts; whatever it had learned before is dropped.

    Of more than 25,000 texts the weights are the mean of those of parts of that size (McDonald et
    al. 2009, "Efficient large-scale distributed training of conditional maximum entropy models"):
    the features of a million texts would take 20 GB.

    A prior is added afterwards, each of the two scaled by a factor (stacked regression, Breiman
    1996, doi 10.1007/BF00117832): fitted together with the rest, which fits the training texts
    almost perfectly, its factor would be too small.

    Args:
        layer: changed in place.
        batches: the training texts.
        inverse_penalty: C of the logistic regression, above 0.
        prior: state of a fitted layer of the same vocabulary and labels.
    """
    layer.idf_W.fill_(1)
    document_frequency_W, num_texts = np.zeros(len(layer.idf_W), np.int64), 0
    for batch in batches:
        document_frequency_W += np.asarray((_feature_matrix(layer, [batch.x]) > 0).sum(0)).ravel()
        num_texts += len(batch.x)
    # The ignored bucket must not count towards the length of a text.
    document_frequency_W[layer.ignored_bucket] = 0
    (used,) = document_frequency_W.nonzero()
    for buffer in (layer.idf_W, layer.weight_WK, layer.bias_K):
        buffer.zero_()
    if not len(used):
        return
    idf = np.log((1 + num_texts) / (1 + document_frequency_W[used])) + 1
    layer.idf_W[used] = torch.from_numpy(idf).float()
    num_classes = len(layer.bias_K)
    mixture = _Mixture(num_classes, len(used))
    for texts, labels_N in _shards(batches, _MAX_TEXTS if prior is None else None):
        features_NM = _feature_matrix(layer, texts)[:, used]
        weight_KM, bias_K = fit_logistic(features_NM, labels_N, num_classes, inverse_penalty)
        mixture.add(weight_KM, bias_K, np.bincount(labels_N, minlength=num_classes))
    weight_KM, bias_K = mixture.mean()
    layer.weight_WK[used] = torch.from_numpy(weight_KM.T).float()
    layer.bias_K.copy_(torch.from_numpy(bias_K))
    if prior is not None:
        logits_NK = held_out_logits(features_NM, labels_N, num_classes, inverse_penalty)
        own_NK = None if logits_NK is None else torch.from_numpy(logits_NK)
        _add_prior(layer, prior, texts, own_NK, torch.from_numpy(labels_N))


class _Mixture:
    """Mean of weights fitted on parts of the texts; of a class, of the parts that have it."""

    def __init__(self, num_classes: int, num_features: int) -> None:
        self.weight_KM, self.bias_K = np.zeros((num_classes, num_features)), np.zeros(num_classes)
        self.texts_K = np.zeros(num_classes)

    def add(
        self,
        weight_KM: NDArray[np.float64],
        bias_K: NDArray[np.float64],
        count_K: NDArray[np.int64],
    ) -> None:
        """Add the weights of a part, by its number of texts."""
        texts_K = np.where(count_K > 0, count_K.sum(), 0)
        self.weight_KM += weight_KM * texts_K[:, None]
        self.bias_K += bias_K * texts_K
        self.texts_K += texts_K

    def mean(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights and biases; a class without texts is ruled out by its bias."""
        texts_K = np.maximum(self.texts_K, 1)
        bias_K = np.where(self.texts_K > 0, self.bias_K / texts_K, -1e3)
        return self.weight_KM / texts_K[:, None], bias_K


def _shards(
    batches: Iterable[SequenceBatch], max_texts: int | None
) -> Iterator[tuple[list[Tensor], NDArray[np.int64]]]:
    """Yield the texts and labels of consecutive batches, at least ``max_texts`` of them."""
    texts: list[Tensor] = []
    labels: list[Tensor] = []
    for batch in batches:
        texts.append(batch.x)
        labels.append(batch.labels_B)
        if max_texts is not None and sum(map(len, texts)) >= max_texts:
            yield texts, torch.cat(labels).numpy()
            texts, labels = [], []
    if texts:
        yield texts, torch.cat(labels).numpy()


def fitting_weights(
    layer: HashedLinear, state: Mapping[str, Tensor], prefix: str
) -> dict[str, Tensor] | None:
    """Return the weights of such a layer in a state; None if there is none of these shapes.

    Args:
        layer: gives names and shapes.
        state: of a whole model.
        prefix: of the layer's names in it.
    """
    own = layer.state_dict()
    there = {name: state[prefix + name] for name in own if prefix + name in state}
    fits = all(name in there and there[name].shape == own[name].shape for name in own)
    return there if fits else None


def _add_prior(
    layer: HashedLinear,
    prior: Mapping[str, Tensor],
    texts: Sequence[Tensor],
    own_NK: Tensor | None,
    labels_N: Tensor,
) -> None:
    """Add a prior's weights.

    Args:
        layer: fitted; changed in place.
        prior: see :func:`fit_linear`.
        texts: the training texts.
        own_NK: out-of-fold logits of the layer; None where there are too few texts for them, and
            then both factors are 1.
        labels_N: class indices.
    """
    # Features of no training text keep the idf of the prior.
    layer.idf_W.copy_(layer.idf_W.where(layer.idf_W > 0, prior["idf_W"]))
    prior_NK = torch.from_numpy(_feature_matrix(layer, texts) @ prior["weight_WK"].numpy())
    # The prior's bias is that of other texts, with another distribution of classes.
    if own_NK is None:
        own_weight, prior_weight = 1.0, 1.0
        shift_K = -torch.from_numpy(np.median(prior_NK.numpy(), axis=0))
    else:
        logits_2NK = torch.stack([own_NK, prior_NK]).double()
        (own_weight, prior_weight), shift_K = stacking_weights(logits_2NK, labels_N)
    layer.weight_WK.mul_(own_weight).add_(prior["weight_WK"], alpha=prior_weight)
    layer.bias_K.mul_(own_weight).add_(shift_K)


def _feature_matrix(layer: HashedLinear, texts: Iterable[Tensor]) -> csr_matrix:
    """Return the features of texts, shape (N, W)."""
    blocks = []
    for tokens in texts:
        index_BM, value_BM = layer.features(tokens)
        row_B, place_B = value_BM.nonzero(as_tuple=True)
        cells = (row_B.numpy(), index_BM[row_B, place_B].numpy())
        # Values of one text in one bucket are added. Batch by batch, since the occurrences of a
        # large data set would fill the memory.
        shape = (len(tokens), len(layer.idf_W))
        blocks.append(csr_matrix((value_BM[row_B, place_B].numpy(), cells), shape))
    return vstack(blocks, format="csr")
