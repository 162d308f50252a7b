"""Checks of a model: predictions, streams, exports."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.model.export.onnx.file import open_onnx, require_onnx, write_onnx
from gru_suite.model.export.parity import TOLERANCE, require_equal
from gru_suite.model.export.substitution import exported_outputs
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.testing.values import not_plain

# Number of cuts of a raw input for a stream.
CUTS = 6


def check_predict(model: SequenceModel, data: SequenceDataModule) -> None:
    """Check that single inputs and a list of them give the same predictions."""
    examples = data.raw_examples(3)
    if not examples:
        return
    model.eval()
    single = [model.predict(example) for example in examples]
    batched = model.predict(examples)
    assert len(batched) == len(examples), (
        f"{model.name}: predict gave {len(batched)} results for a list of {len(examples)}"
    )
    assert len(list(batched)) == len(batched), f"{model.name}: results must be iterable"
    for one, again in zip(single, batched, strict=True):
        assert len(one) == 1, f"{model.name}: predict gave {len(one)} results for a single input"
        assert type(one[0]) is type(again), f"{model.name}: a single result is a {type(one[0])}"
    assert list(batched.to_frame().columns) == list(batched.to_dict()), (
        f"{model.name}: to_frame() and to_dict() of a result have different columns"
    )
    for name, column in batched.to_dict().items():
        separate = [value for one in single for value in one.to_dict()[name]]
        assert not list(not_plain(column)), f"{model.name}: to_dict()[{name!r}] is not plain data"
        if column and isinstance(column[0], float):
            # Beyond the sixth digit of float32 is rounding.
            torch.testing.assert_close(
                torch.tensor(column), torch.tensor(separate), rtol=1e-5, atol=1e-5, equal_nan=True
            )
        else:
            assert column == separate, f"{model.name}: {name} differs between single and batched"


def check_stream(model: SequenceModel, data: SequenceDataModule) -> None:
    """Check that an input in chunks gives the prediction of the whole, also after a restart."""
    examples = [raw for raw in data.raw_examples(2) if _length(raw)]
    streaming = _one_way(model)
    if streaming is None or not examples:
        return
    generator = torch.Generator().manual_seed(0)
    stream = streaming.stream(len(examples))
    places = [
        [0, *sorted(torch.randint(_length(raw), (CUTS,), generator=generator).tolist())]
        for raw in examples
    ]
    for number in range(CUTS + 1):
        ends = [cuts[number + 1] if number < CUTS else None for cuts in places]
        pushed = zip(examples, places, ends, strict=True)
        found = stream.push([_part(raw, cuts[number], end) for raw, cuts, end in pushed])
        # A restored stream continues like the original.
        with tempfile.TemporaryFile() as file:
            torch.save(stream.state_dict(), file)
            file.seek(0)
            stream = streaming.stream()
            stream.load_state_dict(torch.load(file, weights_only=True))
        assert len(stream) == len(examples), f"{model.name}: a restored stream lost rows"
        for row, (raw, end) in enumerate(zip(examples, ends, strict=True)):
            _check_stream_prediction(streaming, found.to_dict(), row, _part(raw, 0, end))


def _check_stream_prediction(
    model: SequenceModel, found: dict[str, Any], row: int, raw: Any
) -> None:
    try:
        expected = model.predict(raw)
    except UserError:
        return  # Too short for a prediction: a stream waits for more.
    for name, column in expected.to_dict().items():
        if column and isinstance(column[0], float):
            mine = torch.tensor(found[name][row * len(column) : (row + 1) * len(column)])
            close = torch.allclose(mine, torch.tensor(column), 1e-5, 1e-5, equal_nan=True)
            assert close, (
                f"{model.name}: {name} of a stream is {mine.tolist()}, of predict {column}"
            )


def _one_way(model: SequenceModel) -> SequenceModel | None:
    """Return the model, or a causal one with its options; None where it cannot stream."""
    refused = ""
    try:
        model.stream()
    except UserError as error:
        refused = str(error)
    if not refused:
        return model.eval()
    options = copy.deepcopy(model.options)
    if not options.get("backbone", {}).get("bidirectional"):
        return None
    named = "bidirectional=false" in refused or "cannot stream" in refused
    assert named, f"{model.name}: stream() names no option to change: {refused}"
    options["backbone"]["bidirectional"] = False
    if "causal" in options:
        options["causal"] = True
    return _one_way(type(model)(**options))


def _length(raw: Any) -> int:
    """Return the length of a raw input that can be cut into chunks, 0 for others."""
    raw = raw[0] if isinstance(raw, tuple) else raw
    sliceable = isinstance(raw, str | Tensor | np.ndarray | pd.DataFrame)
    return len(raw) if sliceable else 0


def _part(raw: Any, start: int, end: int | None) -> Any:
    if isinstance(raw, tuple):
        return (raw[0][start:end], *raw[1:])
    return raw.iloc[start:end] if isinstance(raw, pd.DataFrame) else raw[start:end]


def check_export(model: SequenceModel, data: SequenceDataModule, batch: Any) -> None:
    """Check that an ONNX file of the model has the same outputs."""
    try:
        module = model.export_module(lambda: batch)
        require_onnx()
    except UserError:
        # No extra, or a model that does not implement export_module().
        return
    examples = data.raw_examples(3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for each in (*module.companions().values(), module):
            write_onnx(each, path)
            run = open_onnx(path, num_threads=1)
            require_equal(each, run)
    for example in examples:
        expected = model.predict(example).to_frame()
        with exported_outputs(module, run):
            found = model.predict(example).to_frame()
        numbers = expected.select_dtypes("number").columns
        torch.testing.assert_close(
            torch.tensor(found[numbers].to_numpy(float)),
            torch.tensor(expected[numbers].to_numpy(float)),
            rtol=TOLERANCE,
            atol=TOLERANCE,
            equal_nan=True,
        )
