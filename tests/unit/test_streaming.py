"""Streams refuse what they cannot follow, lose nothing to bad input, and can be saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forecasting_fixtures import make_task as forecasting_task
from stream_fixtures import frames, gap, sentiment_model, sound, speech_model, video_model
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.classification import ClassificationModel
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.model.streaming.stream import StepwiseEncoder, StreamModule
from gru_suite.nn.cells.table import CELLS
from gru_suite.nn.pooling import POOLINGS, Pooling

# Shapes: B streams, T time steps, F features, H hidden units.
BOTH_WAYS = {"bidirectional": True}


class StepsModel(ClassificationModel):
    """What an author of another task writes to have streams: one line."""

    name = "steps"

    def __init__(self, backbone: dict[str, Any]) -> None:
        super().__init__(backbone, 3, {"labels": ["a", "b"], "class_counts": [1, 1]})
        self.encoder = nn.Linear(2, 3)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return self.encoder(batch.x), batch.lengths_B

    def predict(self, raw: Any) -> Any:
        x_1TF = torch.as_tensor(raw)[None]
        batch = SequenceBatch(x_1TF, torch.tensor([x_1TF.size(1)]), torch.zeros(1))
        return self(batch).softmax(-1).detach().numpy()

    def stream_encoder(self) -> StepwiseEncoder:
        return StepwiseEncoder(self.encoder, input_shape=(2,))


def steps_model(cell: str = "rnn") -> StepsModel:
    torch.manual_seed(0)
    return StepsModel({"cell": cell, "hidden_size": 4}).eval()


class DeafModel(StepsModel):
    name = "deaf"
    stream_encoder = ClassificationModel.stream_encoder


@pytest.mark.parametrize("cell", CELLS)
def test_a_task_streams_by_one_line(cell: str) -> None:
    task = steps_model(cell)
    x_TF = np.random.default_rng(0).normal(size=(7, 2)).astype("f4")
    stream = task.stream()
    assert np.isnan(stream.push(x_TF[:0]).probability_NK).all()
    for start in range(7):
        found = stream.push(x_TF[start : start + 1])
    np.testing.assert_allclose(found.probability_NK, task.predict(x_TF), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: video_model(backbone=BOTH_WAYS), r"train with backbone\.bidirectional=false"),
        (lambda: sentiment_model(backbone=BOTH_WAYS), r"train with backbone\.bidirectional=false"),
        (lambda: StepsModel(BOTH_WAYS), r"train with backbone\.bidirectional=false"),
        (
            lambda: speech_model(backbone=BOTH_WAYS, causal=False),
            r"train with task\.causal=true backbone\.bidirectional=false",
        ),
        (lambda: speech_model(causal=False), r"train with task\.causal=true"),
        (lambda: DeafModel({}), r"task deaf cannot stream.*stream_encoder\(\)"),
    ],
)
def test_what_looks_ahead_is_refused(make: Any, message: str) -> None:
    task = make()
    with pytest.raises(UserError, match=message):
        task.stream()
    with pytest.raises(UserError, match=message):
        task.stream_module()


def test_a_plain_task_says_what_to_implement() -> None:
    task = StepsModel({})
    with pytest.raises(UserError, match=r"cannot stream; its model would implement stream\(\)"):
        SequenceModel.stream(task)
    with pytest.raises(UserError, match="no streaming network"):
        SequenceModel.stream_module(task)
    with pytest.raises(UserError, match=r"reads the last 12 steps anew"):
        forecasting_task().model.stream_module()


BAD = {
    "speech": (
        lambda: speech_model("lstm", "attention"),
        sound(90),
        [
            (np.full(5, np.nan, "f4"), "needs finite numbers"),
            (np.zeros((5, 2), "f4"), r"shape \(5, 2\).*one channel"),
            ((np.zeros(5, "f4"), 8000), r"8000 Hz: a stream needs 2000 Hz"),
            ("a.wav", r"shape str: a stream needs one channel"),
            ([sound(3), sound(3)], "a list of 2 to 1 streams"),
        ],
    ),
    "video": (
        lambda: video_model("gru", "mean"),
        frames(3),
        [
            (frames(1)[0].float(), "needs \\(height, width, 3\\) of torch.uint8"),
            (frames(1)[0, :, :, 0], "frame of shape"),
        ],
    ),
    "sentiment": (
        lambda: sentiment_model(ngrams=[3, 5]),
        "A good on",
        [
            (b"bytes", "type bytes"),
            (5, "type int"),
            ("\ud83d", "surrogate"),
            ("x" * 10_001, "word"),
        ],
    ),
    "steps": (
        steps_model,
        np.ones((2, 2)),
        [
            (np.full((1, 2), np.inf), "NaN or infinity"),
            (np.zeros((2, 3)), r"shape \(2, 3\).*needs \(inputs, 2\)"),
            (np.zeros((1, 2), complex), "complex128"),
            (object(), "type object"),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_leaves_the_stream_as_it_was(name: str) -> None:
    make, good, bad = BAD[name]
    task = make()
    stream, untouched = task.stream(), task.stream()
    stream.push(good)
    untouched.push(good)
    for chunk, message in bad:
        with pytest.raises(UserError, match=message):
            stream.push(chunk)
        two = task.stream(2)
        if not isinstance(chunk, list):
            with pytest.raises(UserError, match=message):
                two.push([good, chunk])
            assert np.isnan(two.push([None, None]).probability_NK).all()
    assert gap(stream.push(good), untouched.push(good)) == 0


@pytest.mark.parametrize("name", BAD)
def test_a_saved_stream_goes_on_in_another_process(name: str, tmp_path: Path) -> None:
    make, good, _ = BAD[name]
    task = make()
    stream = task.stream(2)
    stream.push([good, None])
    torch.save(stream.state_dict(), tmp_path / "stream.pt")
    again = make().stream()
    again.load_state_dict(torch.load(tmp_path / "stream.pt", weights_only=True))
    assert len(again) == 2
    assert gap(stream.push([good, good]), again.push([good, good])) == 0


def test_what_was_saved_is_not_changed_by_going_on() -> None:
    stream = speech_model("gru", "mean").stream()
    stream.push(sound(300))
    saved = stream.state_dict()
    first = stream.push(sound(100, 1))
    stream.load_state_dict(saved)
    assert gap(first, stream.push(sound(100, 1))) == 0


def test_states_of_other_streams_are_refused() -> None:
    stream = speech_model("gru", "mean").stream()
    for saved, message in [
        ({}, "not that of a stream"),
        (video_model().stream().state_dict(), "task 'video_action'.*needs task 'speech_commands'"),
        (speech_model("lstm", "mean").stream().state_dict(), "backbone_1 differ"),
        (speech_model("gru", "max").stream().state_dict(), "pooling_0_count.*differ"),
    ]:
        with pytest.raises(UserError, match=message):
            stream.load_state_dict(saved)
    assert np.isfinite(stream.push(sound(100)).probability_NK).all()


def test_rows_that_are_not_there_are_refused() -> None:
    stream = sentiment_model().stream(2)
    for act in (stream.leave, stream.reset):
        with pytest.raises(UserError, match="row 2: there are rows 0 to 1"):
            act(2)
    with pytest.raises(UserError, match="count=-1"):
        stream.join(-1)
    stream.leave([0, 1])
    assert len(stream.push([])) == 0
    assert stream.join(1) == [0]


def test_nothing_new_costs_and_changes_nothing() -> None:
    stream = speech_model().stream()
    answer = stream.push(sound(100))
    assert stream.push(None) is answer
    assert gap(stream.push(sound(0)), answer) == 0


def test_a_stream_uses_evaluation_and_leaves_the_mode() -> None:
    task = speech_model()
    expected = task.predict(sound(300))
    task.train()
    assert gap(task.stream().push(sound(300)), expected) < 1e-5
    assert task.training


def test_the_state_does_not_grow() -> None:
    for task, chunk in ((speech_model(), sound(333)), (sentiment_model(), "good , bad film ")):
        stream = task.stream()
        sizes = []
        for _ in range(4):
            stream.push(chunk)
            state = stream.state_dict()
            sizes.append(sum(part.numel() for part in state["state"].values()))
        assert len(set(sizes)) == 1


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooling_piece_by_piece_equals_the_whole(kind: str) -> None:
    torch.manual_seed(0)
    pooling, h_BTH = Pooling(kind, 6), 3 * torch.randn(4, 9, 6)
    state = pooling.initial_state(4)
    for part_BTH in h_BTH.split([1, 5, 3], dim=1):
        found_BH, state = pooling.advance(part_BTH, state)
    torch.testing.assert_close(found_BH, pooling(h_BTH))


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("make", [speech_model, video_model, sentiment_model])
def test_the_module_can_be_traced(make: Any) -> None:
    module: StreamModule = make("lstm", "mean+max").stream_module().eval()
    chunk, state = module.example_chunk(2, 3), module.initial_state(2)
    assert all(len(part) == 2 for part in state.values())
    # Steps of different size: of a constant sound most bands are empty, and their logarithms noise.
    chunk = (chunk + torch.rand(chunk.shape)) if chunk.is_floating_point() else chunk + 1
    program = torch.export.export(module, (chunk, state)).module()
    logits_BK, after = module(chunk, state)
    assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in state.items()}
    again_BK, after_again = program(chunk, state)
    torch.testing.assert_close(again_BK, logits_BK)
    torch.testing.assert_close(after_again, after)
