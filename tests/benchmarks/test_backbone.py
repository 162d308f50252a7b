"""Training step of the backbone against the plain torch module, in turns, on one thread.

The medians of both and their ratio (below 1: the backbone is faster) are in the extra_info of each
benchmark (``pytest -m slow tests/benchmarks --benchmark-json=...``). No time is asserted.

Shapes: B batch, T time steps, F input features.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone

TORCH = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
WARMUP_ROUNDS = 2
ROUNDS = 15

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _flush_denormal():
    # Denormal gradients make either side several times slower, at random.
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def train_step(module: nn.Module, run: Callable[[], Tensor]) -> Callable[[], None]:
    def step() -> None:
        module.zero_grad()
        run().square().sum().backward()

    return step


def compare(benchmark, ours: Callable[[], None], theirs: Callable[[], None]) -> None:
    """Time both sides in turns, so that what else the machine does falls on both."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}

    def both() -> None:
        for name, step in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)
    medians = {name: median(values[WARMUP_ROUNDS:]) for name, values in times.items()}
    benchmark.extra_info |= {f"{name}_ms": 1e3 * value for name, value in medians.items()}
    benchmark.extra_info["ratio"] = medians["ours"] / medians["theirs"]


@pytest.mark.parametrize("cell", TORCH)
def test_full_lengths_against_torch(benchmark, cell):
    backbone, x_BTF = RecurrentBackbone(24, cell), torch.randn(32, 48, 24)
    compare(
        benchmark,
        train_step(backbone, lambda: backbone(x_BTF)[0]),
        train_step(backbone, lambda: backbone.rnn(x_BTF)[0]),
    )


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", TORCH)
def test_ragged_lengths_against_packing(benchmark, cell, bidirectional):
    backbone = RecurrentBackbone(24, cell, 64, 2, bidirectional)
    x_BTF, lengths_B = torch.randn(32, 48, 24), torch.randint(24, 49, (32,))

    def packed() -> Tensor:
        x_packed = nn.utils.rnn.pack_padded_sequence(
            x_BTF, lengths_B, batch_first=True, enforce_sorted=False
        )
        h_packed, _ = backbone.rnn(x_packed)
        return nn.utils.rnn.pad_packed_sequence(h_packed, batch_first=True)[0]

    compare(
        benchmark,
        train_step(backbone, lambda: backbone(x_BTF, lengths_B)[0]),
        train_step(backbone, packed),
    )


def test_relu_gru_against_torchs_tanh_gru(benchmark):
    backbone, x_BTF = RecurrentBackbone(1, "gru", 50, activation="relu"), torch.randn(32, 10, 1)
    compare(
        benchmark,
        train_step(backbone, lambda: backbone(x_BTF)[0]),
        train_step(backbone, lambda: backbone.rnn(x_BTF)[0]),
    )
