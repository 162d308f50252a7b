"""Conversion of GRU weights from and to the layout of Keras.

Keras' ``GRU`` with ``reset_after=True`` (its default) computes what torch's GRU computes, with the
gates in another order: with update gate ``z``, reset gate ``r`` and candidate ``n``,
``h' = z * h + (1 - z) * n`` in both. ``layer.get_weights()`` gives three arrays::

    kernel            (F, 3H)   columns z, r, n      torch: weight_ih (3H, F), rows r, z, n
    recurrent_kernel  (H, 3H)   columns z, r, n      torch: weight_hh (3H, H), rows r, z, n
    bias              (2, 3H)   of input, of state   torch: bias_ih, bias_hh

Source: the documentation of ``keras.layers.GRU`` (https://keras.io/api/layers/recurrent_layers/gru/)
and of ``torch.nn.GRU``.

Shapes: F input features of a layer, H hidden_size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone

ARRAYS_PER_LAYER = 3

Array = NDArray[np.float32]


def from_keras(arrays: Sequence[Any], bidirectional: bool = False) -> RecurrentBackbone:
    """Return a backbone with the weights of a stack of Keras GRU layers.

    Args:
        arrays: of each layer, from the lowest: kernel, recurrent kernel and bias, as
            ``get_weights()`` gives them; of a ``Bidirectional`` layer (``merge_mode="concat"``)
            the forward ones and then the backward ones.
        bidirectional: whether the layers are ``Bidirectional``.

    Raises:
        UserError: number or shapes of the arrays are not those of such layers.
    """
    weights = [np.asarray(array, np.float32) for array in arrays]
    per_layer = ARRAYS_PER_LAYER * (1 + bidirectional)
    if not weights or len(weights) % per_layer:
        raise UserError(
            f"{len(weights)} arrays: Keras has kernel, recurrent kernel and bias for each GRU "
            f"layer{' and direction' if bidirectional else ''}; a layer with use_bias=False needs "
            "a bias of zeros, (2, 3H)"
        )
    hidden_size = weights[1].shape[0]
    backbone = RecurrentBackbone(
        weights[0].shape[0],
        "gru",
        hidden_size,
        len(weights) // per_layer,
        bidirectional,
    )
    groups = [weights[i : i + ARRAYS_PER_LAYER] for i in range(0, len(weights), ARRAYS_PER_LAYER)]
    for number, (group, tensors) in enumerate(zip(groups, backbone.rnn.all_weights, strict=True)):
        _check_shapes(number, group, tensors[0].shape[1], hidden_size)
        kernel, recurrent, bias = (_swap_gates(array) for array in group)
        for tensor, array in zip(tensors, (kernel.T, recurrent.T, *bias), strict=True):
            tensor.detach().copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return backbone.eval()


def to_keras(backbone: RecurrentBackbone) -> list[Array]:
    """Return the arrays for ``set_weights`` of Keras GRU layers, in the order of from_keras.

    Raises:
        UserError: the backbone is no GRU with tanh.
    """
    found = backbone.options
    if (found["cell"], found["activation"]) != ("gru", "tanh"):
        raise UserError(
            f"backbone.cell={found['cell']} with backbone.activation={found['activation']}: only "
            "the weights of a gru with tanh have this layout"
        )
    arrays: list[Array] = []
    for tensors in backbone.rnn.all_weights:
        weight_ih, weight_hh, bias_ih, bias_hh = (t.detach().cpu().numpy() for t in tensors)
        for array in (weight_ih.T, weight_hh.T, np.stack([bias_ih, bias_hh])):
            arrays.append(_swap_gates(array))
    return arrays


def _swap_gates(array: Array) -> Array:
    """Exchange the first two thirds of the columns: z, r, n and r, z, n."""
    first, second, candidate = np.split(array, 3, axis=1)
    return np.concatenate([second, first, candidate], axis=1)


def _check_shapes(number: int, group: Sequence[Array], input_size: int, hidden_size: int) -> None:
    columns = 3 * hidden_size
    needed = [(input_size, columns), (hidden_size, columns), (2, columns)]
    found = [array.shape for array in group]
    if found != needed:
        raise UserError(
            f"GRU layer {number}: arrays of shapes {found}, needs {needed} (kernel, recurrent "
            "kernel, bias with reset_after=True)"
        )
