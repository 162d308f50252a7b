"""Speed of the translation model: training with and without the kernel, and decoding.

The sides of a comparison run in turns in one process on one thread. Medians are in extra_info and
printed (``pytest -m slow -s tests/benchmarks/test_translation.py``). No time is asserted.

Shapes: B batch, S source tokens, T target tokens, N valid target tokens.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from translation_fixtures import pair_schema

from gru_suite.nn import backbone as backbone_module
from gru_suite.nn.cells.native.library import kernel
from gru_suite.tasks.translation.batches.pair_dataset import PairBatch, pad
from gru_suite.tasks.translation.inference.decoding import Decoding, decode
from gru_suite.tasks.translation.network.translator import target_ids, valid_steps
from gru_suite.tasks.translation.task import TranslationTask
from gru_suite.text.subwords import BEGIN, END, SubwordTokenizer, train_subwords

VOCABULARY, ROUNDS = 4_000, 15
# Tokens of captions: mean and spread.
LENGTH, SPREAD = 15.0, 4.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(kernel() is None, reason="the GRU kernel was not built"),
]


@pytest.fixture(autouse=True)
def _flush_denormal():
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def words(count: int) -> str:
    """Return so many words of letters."""
    return " ".join(chr(0x4E00 + number) for number in range(count))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    tokenizer = train_subwords([words(VOCABULARY - 4)], "word", VOCABULARY, 1)
    assert SubwordTokenizer(tokenizer).size == VOCABULARY
    return pair_schema() | {"source_tokenizer": tokenizer, "length_ratio": 1.2, "max_tokens": 100}


def make_task(schema: dict[str, Any], cell: str = "gru") -> TranslationTask:
    torch.manual_seed(0)
    shape = {"cell": cell, "hidden_size": 128, "bidirectional": True}
    return TranslationTask(shape, schema, embedding_size=192, decoder_layers=2)


def random_ids(count: int, generator: torch.Generator) -> list[list[int]]:
    lengths = torch.normal(LENGTH, SPREAD, (count,), generator=generator).clamp(4, 40).int()
    return [
        torch.randint(END + 1, VOCABULARY, (int(length),), generator=generator).tolist()
        for length in lengths
    ]


def random_batch(count: int, seed: int) -> PairBatch:
    generator = torch.Generator().manual_seed(seed)
    source_BS, source_lengths_B = pad(random_ids(count, generator))
    targets = [[BEGIN, *ids, END] for ids in random_ids(count, generator)]
    target_BT, target_lengths_B = pad(targets)
    return PairBatch(source_BS, source_lengths_B, target_BT, target_lengths_B, [], [])


def looped(task: TranslationTask, batch: PairBatch) -> Tensor:
    """Return the logits of ``forward`` by a decoder that goes token by token."""
    model = task.model
    memory, state = model.encode(batch.source_BS, batch.source_lengths_B)
    steps_B = batch.target_lengths_B - 1
    parts = []
    for step in range(int(steps_B.max())):
        *found, state = model.decoder(batch.target_BT[:, step : step + 1], memory, state)
        parts.append(found)
    features_BTE, share_BT1, weights_BTS = (torch.cat(each, 1) for each in zip(*parts, strict=True))
    valid_BT = valid_steps(batch.target_BT[:, : len(parts)], steps_B)
    return model.decoder.logits(
        features_BTE[valid_BT], share_BT1[valid_BT], weights_BTS[valid_BT], memory.copies_BS[:0]
    )


def without_kernel(run: Callable[[], None]) -> Callable[[], None]:
    def wrapped() -> None:
        kept = backbone_module.kernel_serves
        backbone_module.kernel_serves = lambda rnn, x_BTF: False
        try:
            run()
        finally:
            backbone_module.kernel_serves = kept

    return wrapped


def in_turns(benchmark, sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}

    def each() -> None:
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)

    benchmark.pedantic(each, rounds=rounds, warmup_rounds=1)
    return {name: median(values[1:]) for name, values in times.items()}


def test_training(benchmark, schema: dict[str, Any], capsys):
    task, batch = make_task(schema).train(), random_batch(64, 1)
    lstm = make_task(schema, "lstm").train()
    tokens = int((batch.target_lengths_B - 1).sum())

    def stepper(trained: TranslationTask, forward: Callable[..., Tensor]) -> Callable[[], None]:
        def step() -> None:
            trained.zero_grad()
            F.cross_entropy(forward(batch), target_ids(batch)).backward()

        return step

    task.eval()
    with torch.inference_mode():
        torch.testing.assert_close(looped(task, batch), task(batch), rtol=1e-4, atol=1e-4)
    task.train()
    sides = {
        "kernel": stepper(task, task),
        "nn.GRU": without_kernel(stepper(task, task)),
        "kernel, a loop over time": stepper(task, lambda each: looped(task, each)),
        "nn.GRU, a loop over time": without_kernel(stepper(task, lambda each: looped(task, each))),
        "nn.LSTM": stepper(lstm, lstm),
    }
    seconds = in_turns(benchmark, sides, ROUNDS)
    report(benchmark, capsys, {name: tokens / value for name, value in seconds.items()}, "tokens/s")


def test_decoding(benchmark, schema: dict[str, Any], capsys):
    task = make_task(schema).eval()
    generator = torch.Generator().manual_seed(2)
    ids = random_ids(64, generator)
    with torch.no_grad():
        # Untrained, a hypothesis would go on to its limit; so all do, at 1.2 times the source.
        task.model.decoder.bias_V[END] = -20.0

    def decoder(beam_size: int, batched: bool) -> Callable[[], None]:
        options = Decoding(beam_size, 1.0)
        parts = [ids] if batched else [[one] for one in ids]
        return lambda: [decode(task.model, part, options) for part in parts] and None

    sides = {
        "beam 5, batch 64": decoder(5, True),
        "beam 5, one by one": decoder(5, False),
        "greedy, batch 64": decoder(1, True),
        "greedy, one by one": decoder(1, False),
    }
    seconds = in_turns(benchmark, sides, 3)
    found = {name: len(ids) / value for name, value in seconds.items()}
    report(benchmark, capsys, found, "sentences/s")


def report(benchmark, capsys, found: dict[str, float], unit: str) -> None:
    benchmark.extra_info |= found
    first = next(iter(found.values()))
    with capsys.disabled():
        for name, value in found.items():
            print(f"\n{name}: {value:,.1f} {unit} ({value / first:.2f})", end="")
