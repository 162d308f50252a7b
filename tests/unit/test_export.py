"""Exports of small tasks: answers, files, descriptions, and what makes them fail.

An ONNX export takes seconds: few of them run by default, every cell of every task with -m slow.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_fixtures import MODELS, forecasting, plain_batch, plain_model, sentiment, video
from safetensors.torch import save_file
from stream_fixtures import sound, speech_model
from torch import Tensor

import gru_suite
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import describe_model
from gru_suite.model.export.errors import ExportError
from gru_suite.model.export.formats import (
    FORMATS,
    GRAPHS,
    check_request,
    export_graph,
    export_weights,
)
from gru_suite.model.export.module import ClassificationExport, Port
from gru_suite.model.export.onnx.file import open_onnx
from gru_suite.model.export.onnx.quantization import quantize_weights
from gru_suite.model.export.parity import TOLERANCE, difference
from gru_suite.model.export.stream import StreamExport
from gru_suite.model.export.substitution import exported_outputs
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.nn.backbone import RecurrentBackbone

SMALL: dict[str, Any] = {"cell": "gru", "hidden_size": 8}
ELSEWHERE = """
import json, sys
import numpy as np, onnxruntime
folder = sys.argv[1]
given = dict(np.load(folder + "/inputs.npz"))
about = json.load(open(folder + "/model.onnx.json"))
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
named = {each["name"]: given[each["name"]].astype(each["dtype"]) for each in about["inputs"]}
(found,) = session.run([each["name"] for each in about["outputs"]], named)
np.save(folder + "/found.npy", found)
assert not {"torch", "gru_suite"} & set(sys.modules)
"""
PROGRAM = """
import sys, torch
program = torch.export.load(sys.argv[1] + "/model.pt2").module()
inputs, expected = torch.load(sys.argv[1] + "/case.pt")
torch.testing.assert_close(program(*inputs), expected, rtol=1e-4, atol=1e-4)
assert "gru_suite" not in sys.modules
"""


def run_elsewhere(code: str, folder: Path) -> None:
    words = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def inputs_of(module: Any, rows: int = 3) -> tuple[Tensor, ...]:
    found: tuple[Tensor, ...] = module.examples(
        rows, module.steps[-1], torch.Generator().manual_seed(7)
    )
    return found


def test_an_onnx_file_runs_without_this_package_and_its_description_is_enough(
    tmp_path: Path,
) -> None:
    module = speech_model(causal=False, backbone={"bidirectional": True}).export_module()
    written = export_graph(module, tmp_path / "model.onnx", "onnx", {"checkpoint": "best.ckpt"})
    inputs = inputs_of(module)
    np.savez(
        tmp_path / "inputs.npz",
        **{p.name: x.numpy() for p, x in zip(module.inputs, inputs, strict=True)},
    )
    run_elsewhere(ELSEWHERE, tmp_path)
    with torch.inference_mode():
        expected = module(*inputs)
    found = torch.from_numpy(np.load(tmp_path / "found.npy"))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)

    about = json.loads(written.description.read_text())
    assert about["labels"] == ["low", "high", "_silence_"]
    assert about["inputs"][0]["shape"] == ["batch", "samples"]
    assert about["preprocessing"]["sample_rate_hz"] == 2000
    assert about["check"]["largest_difference"] == written.check.difference <= TOLERANCE
    assert {rows for rows, _ in about["check"]["sizes"]} == {1, 2, 5}
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []


@pytest.mark.slow
def test_a_torch_export_program_runs_without_this_package(tmp_path: Path) -> None:
    module = speech_model(causal=False).export_module()
    export_graph(module, tmp_path / "model.pt2", "torch_export", {})
    inputs = inputs_of(module)
    with torch.inference_mode():
        torch.save((inputs, module(*inputs)), tmp_path / "case.pt")
    run_elsewhere(PROGRAM, tmp_path)


@pytest.mark.parametrize(
    ("cell", "activation", "bidirectional"),
    [
        ("gru", "tanh", True),
        *(
            pytest.param(*each, both, marks=pytest.mark.slow)
            for each, both in product(
                [("lstm", "tanh"), ("rnn", "tanh"), ("rnn", "relu")], (False, True)
            )
        ),
    ],
)
def test_a_program_holds_every_cell_and_takes_any_size(
    cell: str, activation: str, bidirectional: bool, tmp_path: Path
) -> None:
    backbone = {"cell": cell, "hidden_size": 4, "bidirectional": bidirectional, "num_layers": 2}
    module = plain_model({**backbone, "activation": activation}).export_module(plain_batch)
    written = export_graph(module, tmp_path / "model.pt2", "torch_export", {})
    assert written.check.difference <= 1e-6
    assert [steps for rows, steps in written.check.cases if rows == 1] == [1, 4, 9]


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
def test_onnx_holds_a_gru_of_relus(bidirectional: bool, tmp_path: Path) -> None:
    backbone = {**SMALL, "activation": "relu", "bidirectional": bidirectional}
    module = plain_model(backbone).export_module(plain_batch)
    assert export_graph(module, tmp_path / "m.onnx", "onnx", {}).check.difference <= 1e-6


@pytest.mark.slow
def test_torch_export_refuses_a_gru_of_relus(tmp_path: Path) -> None:
    module = plain_model({**SMALL, "activation": "relu"}).export_module(plain_batch)
    with pytest.raises(ExportError, match=r"cannot write this plain checkpoint as torch_export"):
        export_graph(module, tmp_path / "m.pt2", "torch_export", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("name", MODELS)
def test_every_task_and_cell(
    name: str, cell: str, bidirectional: bool, tmp_path: Path, record_property: Any
) -> None:
    backbone = {"cell": cell, "hidden_size": 8, "bidirectional": bidirectional}
    module = MODELS[name](backbone).export_module()
    found = {
        kind: export_graph(module, tmp_path / f"m{each.suffix}", kind, {}).check.difference
        for kind, each in GRAPHS.items()
    }
    record_property("difference", found)
    direction = "bidirectional" if bidirectional else "forward"
    print(f"parity | {name} | {cell} | {direction} |", *(f"{v:.1e} |" for v in found.values()))


@pytest.mark.slow
def test_words_with_ngrams_and_series_of_one(tmp_path: Path) -> None:
    scale = {"a": {"mean": [20.0, -3.0], "std": [5.0, 0.5], "naive": [1.0, 1.0]}}
    one = forecasting(SMALL)
    one.schema["target_scale"] = scale
    for index, model in enumerate((sentiment(SMALL, [3, 4]), one)):
        module = model.export_module()
        export_graph(module, tmp_path / f"{index}.onnx", "onnx", {})
    assert [port.name for port in module.inputs] == ["target", "past", "future", "static"]


@pytest.mark.parametrize("make", [sentiment, video, forecasting])
def test_inputs_and_outputs_stand_for_the_tasks_own(make: Callable[..., Any]) -> None:
    module = make(SMALL).export_module()
    inputs = inputs_of(module, 2)
    assert [str(x.dtype) for x in inputs] == [f"torch.{port.dtype}" for port in module.inputs]
    with torch.inference_mode():
        found = module(*inputs)
    (port,) = module.outputs
    assert tuple(found.shape) == (2, *port.shape[1:])
    if module.labels:
        torch.testing.assert_close(found.sum(1), torch.ones(2))
    assert json.loads(json.dumps(dict(module.preprocessing)))["inside"]


def test_a_forecast_is_in_the_targets_units() -> None:
    from forecasting_fixtures import make_batch

    model = forecasting(SMALL)
    module = model.export_module()
    batch = make_batch(model.schema)
    with torch.inference_mode():
        expected, found = model(batch), module(*module.from_batch(batch))
    scaled = expected.quantiles_BPCQ
    unit = scaled * batch.std_BC[:, None, :, None] + batch.mean_BC[:, None, :, None]
    torch.testing.assert_close(found, unit, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(module.to_output([found], batch)[1], scaled, rtol=1e-4, atol=1e-4)


def test_what_stands_at_padding_does_not_matter() -> None:
    module = sentiment(SMALL).export_module()
    tokens, lengths_B = inputs_of(module)
    lengths_B[1] = 2
    changed = tokens.clone()
    changed[1, 2:] = 3
    tokens[1, 2:] = 0
    with torch.inference_mode():
        torch.testing.assert_close(module(changed, lengths_B), module(tokens, lengths_B))


class WrongExport(ClassificationExport):
    """Differs when it is traced, as a wrong translation would."""

    def forward(self, x: Tensor, lengths_B: Tensor) -> Tensor:
        found = super().forward(x, lengths_B)
        return found + 0.01 if torch.compiler.is_exporting() else found


@pytest.mark.parametrize("kind", ["torch_export", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_failed_check_leaves_what_was_there(kind: str, tmp_path: Path) -> None:
    module = WrongExport(
        plain_model(SMALL),
        ["a", "b"],
        Port("x", "float32", ("batch", "steps", 3), "numbers"),
        (1, 4),
        {},
    )
    target = tmp_path / f"model{GRAPHS[kind].suffix}"
    target.write_text("of before")
    with pytest.raises(ExportError, match=r"the largest difference is 0\.01, at most 0\.0001"):
        export_graph(module, target, kind, {})
    assert [each.name for each in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "of before"


def test_differences() -> None:
    one, nan = torch.ones(2), torch.tensor([1.0, torch.nan])
    assert difference([one], [one + 0.5]) == 0.5
    assert difference([100 * one], [100 * one + 0.5]) == pytest.approx(0.005)
    assert difference([nan], [nan]) == 0
    assert difference([one], [nan]) == difference([one], [torch.ones(2, 1)]) == float("inf")
    assert difference([torch.ones(0)], [torch.ones(0)]) == 0


def test_a_stream_takes_and_returns_its_state(tmp_path: Path) -> None:
    model = speech_model()
    module = StreamExport(model.export_module())
    written = export_graph(module, tmp_path / "stream.onnx", "onnx", {})
    about = json.loads(written.description.read_text())
    states = [each["name"] for each in about["inputs"][1:]]
    assert [each["name"] for each in about["outputs"][1:]] == [
        name.replace("state_", "next_", 1) for name in states
    ]

    # By the description alone, against the stream of the task.
    run = open_onnx(written.path, num_threads=1)
    size = about["preprocessing"]["chunk_inputs"]
    state = [
        torch.full(
            (1, *each["shape"][1:]), float(about["preprocessing"]["initial_state"][name])
        ).to(getattr(torch, each["dtype"]))
        for name, each in zip(states, about["inputs"][1:], strict=True)
    ]
    stream = model.stream()
    for chunk in sound(20 * size).split(size):
        probability, *state = run([chunk[None], *state])
        expected = stream.push(chunk.numpy())
    np.testing.assert_allclose(probability, expected.probability_NK, atol=1e-5)


def save_checkpoint(model: SequenceModel, path: Path) -> Path:
    content = {
        "gru_suite": describe_model(model),
        "hyper_parameters": model.options,
        "state_dict": model.state_dict(),
    }
    torch.save(content, path)
    return path


def test_weights_as_safetensors_give_the_model_back(tmp_path: Path) -> None:
    model = sentiment(SMALL)
    model.run_info = {"name": "four texts"}
    checkpoint = save_checkpoint(model, tmp_path / "best.ckpt")
    written = export_weights(checkpoint, tmp_path / "model.safetensors", {})
    again = gru_suite.load(written.path)
    assert type(again) is type(model)
    assert again.options == model.options
    assert again.run_info == model.run_info
    expected, found = model.predict("a good film"), again.predict("a good film")
    np.testing.assert_array_equal(found.probability_NK, expected.probability_NK)


def test_other_safetensors_are_refused(tmp_path: Path) -> None:
    bare, torn = tmp_path / "bare.safetensors", tmp_path / "torn.safetensors"
    save_file({"weight": torch.ones(2)}, bare)
    with pytest.raises(UserError, match=r"bare.safetensors: holds weights alone"):
        gru_suite.load(bare)
    checkpoint = save_checkpoint(sentiment(SMALL), tmp_path / "best.ckpt")
    export_weights(checkpoint, tmp_path / "whole.safetensors", {})
    torn.write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-50])
    with pytest.raises(UserError, match=r"not a complete safetensors file"):
        gru_suite.load(torn)


def test_eight_bits_are_a_quarter_and_answer_nearly_the_same(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    table, weight = (
        generator.normal(size=size).astype(np.float32) for size in ((500, 64), (64, 32))
    )
    narrow = generator.normal(size=(600, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "index"], ["rows"]),
            helper.make_node("Gather", ["narrow", "index"], ["pairs"]),
            helper.make_node("MatMul", ["rows", "weight"], ["product"]),
        ],
        "g",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["n"])],
        [
            helper.make_tensor_value_info("product", TensorProto.FLOAT, ["n", 32]),
            helper.make_tensor_value_info("pairs", TensorProto.FLOAT, ["n", 2]),
        ],
        [
            numpy_helper.from_array(values, name)
            for name, values in (("table", table), ("weight", weight), ("narrow", narrow))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    onnx.save(model, str(full))
    assert quantize_weights(full, small) == table.size + weight.size + narrow.size
    assert small.stat().st_size < 0.35 * full.stat().st_size
    index = torch.arange(0, 500, 7)
    (product, pairs), (expected, exact) = open_onnx(small)([index]), open_onnx(full)([index])
    assert float((product - expected).abs().max() / expected.abs().max()) < 0.02
    torch.testing.assert_close(pairs, exact, rtol=1e-3, atol=1e-3)
    assert quantize_weights(full, small, kept={"table", "weight", "narrow"}) == 0


def test_a_task_answers_by_what_it_is_told_to() -> None:
    model = sentiment(SMALL)
    module = model.export_module()
    own = model.predict("a good film").probability_NK
    with exported_outputs(module, lambda inputs: [torch.tensor([[0.25, 0.75]])]):
        told = model.predict("a good film").probability_NK
    np.testing.assert_allclose(told, [[0.25, 0.75]])
    np.testing.assert_array_equal(model.predict("a good film").probability_NK, own)


def test_requests_that_cannot_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"format=onx: no such format; did you mean 'onnx'\?"):
        check_request("onx", None, False, False)
    with pytest.raises(UserError, match=r"output=a\.pt2: a file of format=onnx ends in \.onnx"):
        check_request("onnx", "a.pt2", False, False)
    for options in ((True, False), (False, True)):
        with pytest.raises(UserError, match=r"=true is for format=onnx"):
            check_request("safetensors", None, *options)
    with pytest.raises(UserError, match=r"choose one of them"):
        check_request("onnx", None, True, True)
    assert [check_request(name, None, False, False) for name in FORMATS] == [
        ".onnx",
        ".pt2",
        ".safetensors",
    ]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r'pip install "gru-suite\[export\]"'):
        check_request("onnx", None, False, False)


def test_a_task_that_looks_ahead_has_no_streaming_export() -> None:
    model = speech_model(causal=False)
    with pytest.raises(UserError, match=r"task\.causal=false cannot follow a stream"):
        StreamExport(model.export_module())


def test_a_trace_changes_nothing_for_what_runs_after_it(tmp_path: Path) -> None:
    backbone = RecurrentBackbone(3, "gru", 4, bidirectional=True)
    x_BTF, lengths_B = torch.randn(2, 6, 3), torch.tensor([6, 4])
    before = backbone(x_BTF, lengths_B)[0]
    module = plain_model(SMALL).export_module(plain_batch)
    export_graph(module, tmp_path / "m.pt2", "torch_export", {})
    torch.testing.assert_close(backbone(x_BTF, lengths_B)[0], before, rtol=0, atol=0)
    assert isinstance(module.model.backbone, RecurrentBackbone)
