"""GRU and LSTM on the C kernel against torch's and onnxruntime's GRU, on the CPU.

``pytest -m slow tests/benchmarks/test_kernel.py`` prints one table of medians (ms) and ratios
(above 1: the kernel's cell of that name is faster). ``GRU_SUITE_BENCHMARK_TABLE`` names a file to
append it to, and each benchmark's extra_info has its row. All sides of a row run in turns in one
process, 15 times or more. Only bounds that a busy machine keeps are asserted.

Shapes: B batch, T time steps, F input features, H hidden units.
"""

import copy
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.native.library import kernel

# batch, steps, input, hidden, layers
SHAPES = [
    (1, 100, 64, 128, 1),
    (64, 100, 64, 128, 1),
    (64, 100, 64, 128, 2),
    (64, 100, 64, 256, 1),
    (32, 400, 40, 128, 1),
    (256, 24, 1, 64, 1),
    (64, 50, 128, 512, 1),
]
LAST_STATE = (128, 336, 64, 200, 2)
ROUNDS = int(os.environ.get("GRU_SUITE_BENCHMARK_ROUNDS", "15"))
WARMUP_ROUNDS = 2
SGEMM_SIZE = 512
PASSES = {"train": 3, "infer": 1}

Step = Callable[[], object]
Rows = dict[str, list[dict[str, object]]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(kernel() is None, reason="the GRU kernel was not built"),
]


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    """Collect the rows of all benchmarks, and show them as tables at the end."""
    collected: Rows = {}
    yield collected
    text = "\n".join(line for title, found in collected.items() for line in table(title, found))
    request.config.pluginmanager.getplugin("terminalreporter").write_line("\n" + text)
    if path := os.environ.get("GRU_SUITE_BENCHMARK_TABLE"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    # Denormal gradients make either side several times slower, at random.
    torch.set_flush_denormal(True)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def table(title: str, found: list[dict[str, object]]) -> list[str]:
    """Return the rows as Markdown, with the geometric mean of every column of ratios."""
    names = list(found[0])
    lines = ["", f"**{title}**", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in found:
        lines.append("| " + " | ".join(show(row.get(name, "")) for name in names) + " |")
    ratios = {
        name: show(geometric_mean([float(row[name]) for row in found]))  # type: ignore[arg-type]
        for name in names
        if name.startswith("x ") and len(found) > 1
    }
    if ratios:
        mean = [ratios.get(name, "") for name in names]
        lines.append("| " + " | ".join(["geometric mean", *mean[1:]]) + " |")
    return lines


def show(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def in_turns(benchmark, sides: dict[str, Step], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median milliseconds of every side."""
    times: dict[str, list[float]] = {name: [] for name in sides}

    def each() -> None:
        for name, step in sides.items():
            start = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - start))

    benchmark.pedantic(each, rounds=rounds, warmup_rounds=WARMUP_ROUNDS)
    return {name: median(values[WARMUP_ROUNDS:]) for name, values in times.items()}


def train_step(module: nn.Module, run: Callable[[], Tensor]) -> Step:
    def step() -> None:
        module.zero_grad()
        run().square().sum().backward()

    return step


def half(run: Step) -> Step:
    """Return a step with products of bfloat16 numbers."""

    def step() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return run()

    return step


def inference(run: Step) -> Step:
    def step() -> None:
        with torch.inference_mode():
            run()

    return step


def sgemm() -> Step:
    a, b, out = (torch.randn(SGEMM_SIZE, SGEMM_SIZE) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def floor_ms(shape: tuple[int, ...], passes: int, sgemm_ms: float) -> float:
    """Return how long all products of the shape take at the rate of a large one."""
    B, T, F, H, num_layers = shape
    columns = F + H + (num_layers - 1) * 2 * H
    return passes * B * T * 3 * H * columns / SGEMM_SIZE**3 * sgemm_ms


def onnx_session(rnn: nn.GRU, num_threads: int):
    """Return onnxruntime's GRU with the weights of torch's, as a function of ``x_TBF``."""
    ort = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    H = rnn.hidden_size

    def reorder(weight: Tensor) -> Tensor:
        # onnx has z, r, h where torch has r, z, n.
        return torch.cat([weight[H : 2 * H], weight[:H], weight[2 * H :]])

    weights, nodes, name = [], [], "x"
    for layer, (w_ih, w_hh, b_ih, b_hh) in enumerate(rnn.all_weights):
        values = (reorder(w_ih), reorder(w_hh), torch.cat([reorder(b_ih), reorder(b_hh)]))
        names = [f"{part}{layer}" for part in "WRB"]
        for key, value in zip(names, values, strict=True):
            array = value.detach().unsqueeze(0).numpy()
            weights.append(onnx.numpy_helper.from_array(array, key))
        options = {"hidden_size": H, "linear_before_reset": 1}
        nodes.append(helper.make_node("GRU", [name, *names], [f"y{layer}"], **options))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "axis"], [f"h{layer}"]))
        name = f"h{layer}"
    weights.append(onnx.numpy_helper.from_array(torch.tensor([1]).numpy(), "axis"))
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "gru",
        [tensor("x", onnx.TensorProto.FLOAT, ["T", "B", rnn.input_size])],
        [tensor(name, onnx.TensorProto.FLOAT, ["T", "B", H])],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = num_threads
    # Threads that wait by spinning would take the cores from the other sides of the row.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(model.SerializeToString(), settings)
    return lambda x_TBF: session.run(None, {"x": x_TBF})[0]


def layers(shape: tuple[int, ...]) -> tuple[dict[str, RecurrentBackbone], Tensor]:
    """Return a backbone of each cell and an input."""
    B, T, F, H, num_layers = shape
    backbones = {cell: RecurrentBackbone(F, cell, H, num_layers) for cell in ("gru", "lstm")}
    return backbones, torch.randn(B, T, F)


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_step(benchmark, rows: Rows, shape, num_threads):
    torch.set_num_threads(num_threads)
    backbones, x_BTF = layers(shape)
    gru, lstm = backbones["gru"], backbones["lstm"]
    sides = {
        "GRU": train_step(gru, lambda: gru(x_BTF)[0]),
        "nn.GRU": train_step(gru, lambda: gru.rnn(x_BTF)[0]),
        "LSTM": train_step(lstm, lambda: lstm(x_BTF)[0]),
        "nn.LSTM": train_step(lstm, lambda: lstm.rnn(x_BTF)[0]),
        "sgemm": sgemm(),
    }
    if kernel().has_half:
        sides["GRU bf16"] = train_step(gru, half(lambda: gru(x_BTF)[0]))
        sides["LSTM bf16"] = train_step(lstm, half(lambda: lstm(x_BTF)[0]))
    add_row(benchmark, rows, "train", shape, num_threads, in_turns(benchmark, sides))


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference(benchmark, rows: Rows, shape, num_threads):
    torch.set_num_threads(num_threads)
    backbones, x_BTF = layers(shape)
    gru, lstm = backbones["gru"], backbones["lstm"]
    run_onnx = onnx_session(gru.rnn, num_threads)
    x_TBF = x_BTF.transpose(0, 1).contiguous().numpy()
    expected_BTH = torch.from_numpy(run_onnx(x_TBF)).transpose(0, 1)
    torch.testing.assert_close(gru(x_BTF)[0], expected_BTH, atol=1e-4, rtol=1e-4)
    sides = {
        "GRU": inference(lambda: gru(x_BTF)),
        "nn.GRU": inference(lambda: gru.rnn(x_BTF)),
        "onnxruntime": lambda: run_onnx(x_TBF),
        "LSTM": inference(lambda: lstm(x_BTF)),
        "nn.LSTM": inference(lambda: lstm.rnn(x_BTF)),
        "sgemm": sgemm(),
    }
    if kernel().has_half:
        sides["GRU bf16"] = inference(half(lambda: gru(x_BTF)))
        sides["LSTM bf16"] = inference(half(lambda: lstm(x_BTF)))
    add_row(benchmark, rows, "infer", shape, num_threads, in_turns(benchmark, sides))


def add_row(benchmark, rows: Rows, kind: str, shape, num_threads: int, found) -> None:
    floor = floor_ms(shape, PASSES[kind], found.pop("sgemm"))
    row: dict[str, object] = {"shape": ", ".join(map(str, shape)), **found, "floor": floor}
    for name in [name for name in found if not name.startswith(("GRU", "LSTM"))]:
        ours = "LSTM" if name.startswith("nn.LSTM") else "GRU"
        row[f"x {name}"] = found[name] / found[ours]
    row["x floor"] = found["GRU"] / floor
    # A cell of four gates does 4/3 of the products.
    row["x floor, LSTM"] = found["LSTM"] / floor * 3 / 4
    row["x LSTM"] = found["LSTM"] / found["GRU"]
    for cell in ("GRU", "LSTM"):
        if f"{cell} bf16" in found:
            row[f"x {cell} bf16"] = found[f"{cell} bf16"] / found[cell]
    rows.setdefault(f"{kind}, {num_threads} threads, ms", []).append(row)
    benchmark.extra_info |= {key: value for key, value in row.items() if key != "shape"}
    assert math.isfinite(floor)
    if "GRU bf16" in found and shape[0] > 1:
        assert found["GRU bf16"] < 1.5 * found["GRU"]
    # The kernel is used wherever it is the faster one: a wide margin for a busy machine.
    assert found["GRU"] < 1.5 * found["nn.GRU"]
    assert found["LSTM"] < 1.5 * found["nn.LSTM"]


@pytest.mark.parametrize("hidden_size", [128, 256, 512, 1024])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_step_of_a_stream(benchmark, rows: Rows, cell, hidden_size):
    """One sequence, as many inputs as units, but 64 at 128 units; microseconds of a step."""
    torch.set_num_threads(1)
    steps = 100
    backbone = RecurrentBackbone(64 if hidden_size == 128 else hidden_size, cell, hidden_size)
    eight = copy.deepcopy(backbone).eval()
    eight.quantize()
    x_1F = torch.randn(1, backbone.input_size)

    def stream(step: Callable[[Tensor, Any], tuple[Tensor, Any]]) -> Step:
        def run() -> None:
            state = None
            for _ in range(steps):
                _, state = step(x_1F, state)

        return inference(run)

    sides = {
        "float32": stream(backbone.eval().step),
        "int8": stream(eight.step),
        "torch.nn": stream(backbone.rnn),
    }
    found = {name: 1e3 * ms / steps for name, ms in in_turns(benchmark, sides).items()}
    row = {"cell": f"{cell}, {hidden_size}", **found, "x int8": found["int8"] / found["float32"]}
    rows.setdefault("step of a stream, us", []).append(row)
    benchmark.extra_info |= found
    # Of few units most of the time is Python's in both.
    assert found["int8"] < 1.3 * found["float32"]


@pytest.mark.parametrize("num_threads", [1, 2])
def test_loss_on_the_last_state_with_and_without_denormals(benchmark, rows: Rows, num_threads):
    """What flushing gains is not the kernel's: torch's layers are shown with it and without."""
    torch.set_num_threads(num_threads)
    backbones, x_BTF = layers(LAST_STATE)
    gru, lstm = backbones["gru"], backbones["lstm"]

    def flushed(flush: bool, step: Step) -> Step:
        def run() -> None:
            torch.set_flush_denormal(flush)
            step()

        return run

    steps = {
        "GRU": train_step(gru, lambda: gru(x_BTF)[1]),
        "nn.GRU": train_step(gru, lambda: gru.rnn(x_BTF)[1]),
        "LSTM": train_step(lstm, lambda: lstm(x_BTF)[1][0]),
        "nn.LSTM": train_step(lstm, lambda: lstm.rnn(x_BTF)[1][0]),
    }
    sides = {name: flushed(True, step) for name, step in steps.items()}
    sides |= {f"{name}, no flush": flushed(False, step) for name, step in steps.items()}
    sides["sgemm"] = flushed(True, sgemm())
    title = "last"
    PASSES[title] = PASSES["train"]
    add_row(benchmark, rows, title, LAST_STATE, num_threads, in_turns(benchmark, sides))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_variable_lengths(benchmark, rows: Rows, num_threads):
    torch.set_num_threads(num_threads)
    B, T, F, H = 32, 400, 40, 128
    backbone, x_BTF = RecurrentBackbone(F, "gru", H), torch.randn(B, T, F)
    lengths_B = torch.randint(T // 5, T + 1, (B,), generator=torch.Generator().manual_seed(0))

    def packed() -> Tensor:
        x_packed = nn.utils.rnn.pack_padded_sequence(
            x_BTF, lengths_B, batch_first=True, enforce_sorted=False
        )
        return nn.utils.rnn.pad_packed_sequence(backbone.rnn(x_packed)[0], batch_first=True)[0]

    sides = {
        "kernel, lengths": train_step(backbone, lambda: backbone(x_BTF, lengths_B)[0]),
        "kernel, padded": train_step(backbone, lambda: backbone(x_BTF)[0]),
        "nn.GRU, padded": train_step(backbone, lambda: backbone.rnn(x_BTF)[0]),
        "nn.GRU, PackedSequence": train_step(backbone, packed),
    }
    found = in_turns(benchmark, sides)
    row: dict[str, object] = {"threads": num_threads, **found}
    row["valid steps"] = float(lengths_B.sum()) / (B * T)
    row["x padded"] = found["kernel, padded"] / found["kernel, lengths"]
    rows.setdefault("train, lengths 20-100 % of 400, batch 32, ms", []).append(row)
    benchmark.extra_info |= row
    assert found["kernel, lengths"] < 1.2 * found["kernel, padded"]


PEAK = """
import json, sys
from pathlib import Path
import torch
from gru_suite.nn.backbone import RecurrentBackbone
torch.set_num_threads(1)
torch.set_flush_denormal(True)
(B, T, F, H, num_layers), cell, ours = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3] == "kernel"
def train(B, T):
    module = backbone if ours else backbone.rnn
    for _ in range(2):
        module(torch.randn(B, T, F))[0].square().sum().backward()
backbone = RecurrentBackbone(F, cell, H, num_layers)
train(2, 3)
def kilobytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])
# Importing torch took more than a small step does: the peak is counted anew from here.
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
train(B, T)
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("shape", [*SHAPES, LAST_STATE], ids=str)
def test_peak_memory(benchmark, rows: Rows, shape):
    """What one training step needs beyond a tiny one, in a process of its own."""

    def peak_mb(cell: str, side: str) -> float:
        command = [sys.executable, "-c", PEAK, json.dumps(shape), cell, side]
        return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024

    sides = [(cell, side) for cell in ("gru", "lstm") for side in ("kernel", "torch.nn")]
    found = benchmark.pedantic(lambda: {" ".join(each): peak_mb(*each) for each in sides}, rounds=1)
    row: dict[str, object] = {"shape": ", ".join(map(str, shape)), **found}
    rows.setdefault("peak memory of a training step, MB", []).append(row)
    benchmark.extra_info |= found
    # What the allocator keeps differs by some pages from run to run.
    assert found["gru kernel"] < 1.1 * found["gru torch.nn"] + 4
    assert found["lstm kernel"] < 1.1 * found["lstm torch.nn"] + 4
