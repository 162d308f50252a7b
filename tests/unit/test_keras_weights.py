"""Keras' layout of GRU weights, against its documented equations in numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.keras_weights import from_keras, to_keras

Array = NDArray[np.float64]


def draw(input_size: int, hidden_size: int, seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    shapes = (input_size, 3 * hidden_size), (hidden_size, 3 * hidden_size), (2, 3 * hidden_size)
    return [random.normal(size=shape) for shape in shapes]


def keras_gru(x_BTF: Array, arrays: list[Array]) -> Array:
    """Return the hidden states of a Keras GRU, ``reset_after=True``: gates z, r, candidate."""
    kernel, recurrent, (bias_x, bias_h) = arrays

    def sigmoid(value: Array) -> Array:
        return 1 / (1 + np.exp(-value))

    h_BH = np.zeros((len(x_BTF), len(recurrent)))
    states = []
    for step in range(x_BTF.shape[1]):
        from_x = np.split(x_BTF[:, step] @ kernel + bias_x, 3, axis=1)
        from_h = np.split(h_BH @ recurrent + bias_h, 3, axis=1)
        update_BH = sigmoid(from_x[0] + from_h[0])
        reset_BH = sigmoid(from_x[1] + from_h[1])
        candidate_BH = np.tanh(from_x[2] + reset_BH * from_h[2])
        h_BH = update_BH * h_BH + (1 - update_BH) * candidate_BH
        states.append(h_BH)
    return np.stack(states, axis=1)


def outputs(backbone: RecurrentBackbone, x_BTF: Array) -> Array:
    with torch.inference_mode():
        h_BTH: Any = backbone(torch.from_numpy(x_BTF).float())[0].double().numpy()
    return h_BTH  # type: ignore[no-any-return]


def test_one_unit_by_hand() -> None:
    # One unit, one step, from zeros: h = (1 - sigmoid(z)) * tanh(n + sigmoid(r) * its state bias).
    kernel, recurrent = [[2.0, -1.0, 0.5]], [[0.0, 0.0, 0.0]]
    bias = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    found = outputs(from_keras([kernel, recurrent, bias]), np.array([[[1.0]]])).item()
    update, reset = 1 / (1 + np.exp(-2.5)), 1 / (1 + np.exp(0.3))
    assert found == pytest.approx((1 - update) * np.tanh(0.8 + reset * 0.6), abs=1e-6)


def test_layers() -> None:
    x_BTF = np.random.default_rng(0).normal(size=(3, 6, 5))
    first, second = draw(5, 4, 1), draw(4, 4, 2)
    expected = keras_gru(keras_gru(x_BTF, first), second)
    found = outputs(from_keras([*first, *second]), x_BTF)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_bidirectional_layers() -> None:
    h_BTH = x_BTF = np.random.default_rng(0).normal(size=(3, 6, 5))
    arrays: list[Array] = []
    for layer, input_size in enumerate((5, 8)):
        forward, backward = draw(input_size, 4, 10 + layer), draw(input_size, 4, 20 + layer)
        arrays += [*forward, *backward]
        reversed_BTH = keras_gru(h_BTH[:, ::-1], backward)[:, ::-1]
        h_BTH = np.concatenate([keras_gru(h_BTH, forward), reversed_BTH], axis=2)
    found = outputs(from_keras(arrays, bidirectional=True), x_BTF)
    np.testing.assert_allclose(found, h_BTH, rtol=0, atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_there_and_back(bidirectional: bool) -> None:
    backbone = RecurrentBackbone(5, "gru", 4, num_layers=2, bidirectional=bidirectional)
    again = from_keras(to_keras(backbone), bidirectional)
    for left, right in zip(backbone.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)


def test_what_does_not_fit_is_refused() -> None:
    kernel, recurrent, bias = draw(5, 4, 1)
    with pytest.raises(UserError, match=r"2 arrays: .*use_bias=False needs a bias of zeros"):
        from_keras([kernel, recurrent])
    with pytest.raises(UserError, match="and direction"):
        from_keras([kernel, recurrent, bias], bidirectional=True)
    # reset_after=False has a bias of one row.
    with pytest.raises(UserError, match=r"GRU layer 0: arrays of shapes .*\(12,\).*reset_after"):
        from_keras([kernel, recurrent, bias[0]])
    with pytest.raises(UserError, match="GRU layer 1"):
        from_keras([kernel, recurrent, bias, *draw(5, 4, 2)])
    for backbone in (RecurrentBackbone(5, "lstm"), RecurrentBackbone(5, activation="relu")):
        with pytest.raises(UserError, match="only the weights of a gru with tanh"):
            to_keras(backbone)
