"""Fit of the hashed linear classifier by logistic regression, with or without a prior.

Shapes: B batch, T tokens (right-padded), M features of a text, N texts, W buckets, K classes.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack  # type: ignore[import-untyped]
from torch import Tensor

from gru_suite.model.batches import SequenceBatch

from ..network.hashed_linear import HashedLinear
from .logistic_regression import fit_logistic, held_out_logits, stacking_weights


def fit_linear(
    layer: HashedLinear,
    batches: Iterable[SequenceBatch],
    inverse_penalty: float,
    prior: Mapping[str, Tensor] | None = None,
) -> None:
    """Fit the layer to the training texts; whatever it had learned before is dropped.

    A prior is added afterwards, each of the two scaled by a factor (stacked regression, Breiman
    1996, doi 10.1007/BF00117832): fitted together with the rest, which fits the training texts
    almost perfectly, its factor would be too small.

    Args:
        layer: changed in place.
        batches: the training texts.
        inverse_penalty: C of the logistic regression, above 0.
        prior: state of a fitted layer of the same vocabulary and labels.
    """
    pairs = [(batch.x, batch.labels_B) for batch in batches]
    texts = [x for x, _ in pairs]
    labels_N = torch.cat([labels_B for _, labels_B in pairs]).numpy()
    layer.idf_W.fill_(1)
    document_frequency_W = np.asarray((_feature_matrix(layer, texts) > 0).sum(0)).ravel()
    # The ignored bucket must not count towards the length of a text.
    document_frequency_W[layer.ignored_bucket] = 0
    (used,) = document_frequency_W.nonzero()
    for buffer in (layer.idf_W, layer.weight_WK, layer.bias_K):
        buffer.zero_()
    if not len(used):
        return
    idf = np.log((1 + len(labels_N)) / (1 + document_frequency_W[used])) + 1
    layer.idf_W[used] = torch.from_numpy(idf).float()
    features_NM = _feature_matrix(layer, texts)[:, used]
    num_classes = len(layer.bias_K)
    weight_KM, bias_K = fit_logistic(features_NM, labels_N, num_classes, inverse_penalty)
    layer.weight_WK[used] = torch.from_numpy(weight_KM.T).float()
    layer.bias_K.copy_(torch.from_numpy(bias_K))
    if prior is not None:
        logits_NK = held_out_logits(features_NM, labels_N, num_classes, inverse_penalty)
        own_NK = None if logits_NK is None else torch.from_numpy(logits_NK)
        _add_prior(layer, prior, texts, own_NK, torch.from_numpy(labels_N))


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
