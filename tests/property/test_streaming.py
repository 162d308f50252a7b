"""Whatever the pieces, a stream says what the task says of everything pushed so far."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_fixtures import frames, gap, pieces, sentiment_model, sound, speech_model, video_model
from tracking_fixtures import moving_square, tracking_model
from transcription_fixtures import transcription_model

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.predictions import Predictions
from gru_suite.nn.cells.table import CELLS
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.testing.contract import build, compose_config
from gru_suite.training.classification_task import ClassificationTask

CLOSE = 1e-5
POOLINGS = ("last", "mean", "max", "attention", "mean+max")
VARIANTS = [(cell, name) for cell, spec in CELLS.items() for name in spec.variants]
FEATURES = (
    {},
    {"kind": "mfcc", "window_ms": 20, "hop_ms": 20},
    {"window_ms": 25, "hop_ms": 12},
    {"level": "relative", "subtract_mean": True},
)
FRONT_ENDS = (
    {},
    {"time_strides": [5, 3], "blocks": 2},
    {"channels": [2], "time_strides": [1], "blocks": 0},
    {"channels": [2, 3, 2], "time_strides": [2, 1, 3]},
)
TEXT = (
    "A good film, isn't it?? It doesn\u2019t <br  /> end... \ufb01ne \u00bd \u00c0\u00e9 e\u0301x "
    "don't'a <br <br/>great \uff1cbr\u3000\uff0f> not good at all\uff0c bad bad\u3002bad"
)
backbones = st.builds(
    lambda variant, layers: {
        "cell": variant[0], "activation": variant[1], "num_layers": layers, "hidden_size": 5,
    },
    st.sampled_from(VARIANTS),
    st.integers(1, 2),
)  # fmt: skip
cuts = st.lists(st.integers(0, 1500), max_size=12)


def whole(task: ClassificationTask, x: torch.Tensor) -> Predictions:
    """Judge a sequence in one go."""
    batch = SequenceBatch(x[None], torch.tensor([len(x)]), torch.zeros(1))
    probability_1K = task(batch).softmax(-1).detach().numpy()
    return Predictions("", ["whole"], task.labels, probability_1K)


def check(task: ClassificationTask, sequence: Any, places: list[int], expected: Any) -> None:
    stream, end = task.stream(), 0
    for piece in pieces(sequence, places):
        end += len(piece)
        found = stream.push(piece)
        if end:
            assert gap(found, expected(sequence[:end])) < CLOSE


@settings(max_examples=25, deadline=None)
@given(backbones, st.sampled_from(POOLINGS), st.integers(0, 3), st.integers(0, 3), cuts)
def test_speech(backbone, pooling, features, front_end, places) -> None:
    task = speech_model(
        backbone.pop("cell"), pooling, backbone=backbone,
        features=dict(FEATURES[features]), front_end=dict(FRONT_ENDS[front_end]),
    )  # fmt: skip
    check(task, sound(1200, 3), places, lambda x: whole(task, x))


@settings(max_examples=15, deadline=None)
@given(backbones, st.sampled_from(POOLINGS), st.sampled_from(["batch", "group"]), cuts)
def test_video(backbone, pooling, norm, places) -> None:
    task = video_model(backbone.pop("cell"), pooling, backbone=backbone, encoder={"norm": norm})
    check(task, frames(9), [place % 10 for place in places], lambda x: task.predict(x))


@settings(max_examples=20, deadline=None)
@given(backbones, st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), cuts)
def test_transcripts(backbone, features, front_end, beam_size, places) -> None:
    model = transcription_model(
        True, backbone=backbone, features=dict(FEATURES[features]), beam_size=beam_size,
        front_end={"channels": [3, 4], "output_size": 8, **FRONT_ENDS[front_end]},
    )  # fmt: skip
    samples_S = sound(9000, 3).numpy()
    module, state, found = model.stream_module(), None, []
    stream, before = model.stream(), ()
    for piece in pieces(samples_S, [6 * place for place in places]):
        (now,) = stream.push(piece)
        final = [(word.text, word.start_s) for word in now.words[: now.num_final]]
        # What was final stays.
        assert final[: len(before)] == list(before)
        before = tuple(final)
    state = module.initial_state(1)
    for start in range(0, len(samples_S) - module.step_size + 1, module.step_size):
        chunk = torch.from_numpy(samples_S[start : start + module.step_size])[None]
        with torch.inference_mode():
            log_1TV, state = module(chunk, state)
        found.append(log_1TV[0].numpy())
    (whole_TV,) = model.frame_scores([samples_S])
    np.testing.assert_allclose(np.concatenate(found), whole_TV, atol=CLOSE)
    (expected,) = model.predict(samples_S)
    assert now.text == expected.text
    assert now.log_probability == pytest.approx(expected.log_probability, abs=1e-3)
    for one, other in zip(now.words, expected.words, strict=True):
        assert (one.start_s, one.end_s) == (other.start_s, other.end_s)


@settings(max_examples=15, deadline=None)
@given(backbones, st.lists(st.integers(1, 13), max_size=8), st.integers(0, 3))
def test_tracks(backbone, places, seed) -> None:
    model, (frames_T, boxes_T4) = tracking_model(backbone=backbone), moving_square(14, seed)
    (whole,) = model.predict((frames_T, boxes_T4[0]))
    stream, end = model.stream(), 0
    for piece in pieces(frames_T, places):
        if not len(piece):
            continue
        (now,) = stream.push((piece, boxes_T4[0]) if end == 0 else piece)
        end += len(piece)
        np.testing.assert_allclose(now.boxes_T4[-1], whole.boxes_T4[end - 1], atol=CLOSE)
        np.testing.assert_allclose(now.visible_T[-1], whole.visible_T[end - 1], atol=CLOSE)
    assert end == len(frames_T)


@settings(max_examples=25, deadline=None)
@given(
    backbones,
    st.sampled_from(POOLINGS),
    st.sampled_from([("word", None), ("word", [3, 5]), ("bpe", None)]),
    st.sampled_from([0, 0.7]),
    st.lists(st.integers(0, len(TEXT)), max_size=30),
)
def test_sentiment(backbone, pooling, tokens, wide_share, places) -> None:
    cell = backbone.pop("cell")
    task = sentiment_model(cell, pooling, *tokens, backbone=backbone, wide_share=wide_share)
    check(task, TEXT, places, task.predict)


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=" <br/>n't.a\u2019\u0301\uff1c\n\u3002A[PAD]", max_size=30), st.data())
def test_no_later_character_changes_final_tokens(text, data) -> None:
    from gru_suite.tasks.sentiment.inference.streaming import final_prefix_length

    tokenizer = sentiment_model().tokenizer
    end = final_prefix_length(text)
    more = data.draw(st.text(alphabet=" <br/>n't.a\u2019\u0301", max_size=6))
    together = tokenizer.encode_chunk(text + more)
    apart = torch.cat(
        [tokenizer.encode_chunk(text[:end]), tokenizer.encode_chunk(text[end:] + more)]
    )
    assert torch.equal(together, apart)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(CELLS)), st.sampled_from(POOLINGS), st.data())
def test_rows_join_and_leave_without_a_trace(cell, pooling, data) -> None:
    task = speech_model(cell, pooling)
    stream, seen = task.stream(batch_size=2), [sound(0), sound(0)]
    for number in range(6):
        match data.draw(
            st.sampled_from(["push", "push", "push", "join", "leave", "reset", "save"])
        ):
            case "join":
                assert stream.join(1) == [len(seen)]
                seen.append(sound(0))
            case "leave" if len(seen) > 1:
                row = data.draw(st.integers(0, len(seen) - 1))
                stream.leave(row)
                del seen[row]
            case "reset":
                row = data.draw(st.integers(0, len(seen) - 1))
                stream.reset(row)
                seen[row] = sound(0)
            case "save":
                saved, stream = stream.state_dict(), task.stream()
                stream.load_state_dict(saved)
        counts = data.draw(
            st.lists(st.none() | st.integers(0, 400), min_size=len(seen), max_size=len(seen))
        )
        chunks = [None if n is None else sound(n, 10 * number + i) for i, n in enumerate(counts)]
        found = stream.push(chunks)
        seen = [x if c is None else torch.cat([x, c]) for x, c in zip(seen, chunks, strict=True)]
        for row, x in enumerate(seen):
            if len(x):
                difference = found.probability_NK[row] - whole(task, x).probability_NK[0]
                assert abs(difference).max() < CLOSE
            else:
                assert np.isnan(found.probability_NK[row]).all()


def hourly_table(num_rows: int) -> pd.DataFrame:
    """Return two series with a gap, missing values, categories and a covariate known ahead."""
    parts = []
    for number, name in enumerate(("north", "south")):
        draw = np.random.default_rng(number)
        time = pd.date_range("2024-01-01", periods=num_rows, freq="h")
        wave = np.sin(np.arange(num_rows) / 4 + number)
        load = np.where(draw.random(num_rows) < 0.1, np.nan, 10 * wave + draw.normal(size=num_rows))
        parts.append(
            pd.DataFrame({
                "site": name, "time": time, "load": load, "wind": draw.normal(size=num_rows),
                "sky": draw.choice(["clear", "cloud"], num_rows), "plan": wave.round(1),
            })
        )  # fmt: skip
    kept = np.arange(num_rows) % 17 != 5
    return pd.concat([part[kept] for part in parts], ignore_index=True)


@pytest.fixture(scope="module")
def forecasters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ForecastingModel]:
    path = tmp_path_factory.mktemp("tables") / "load.csv"
    hourly_table(200).to_csv(path, index=False)
    common = [
        "task=forecasting", "data=csv", f"data.path={path}", "data.time_column=time",
        "data.id_column=site", "data.target=load", "data.past_covariates=[wind,sky]",
        "data.lookback=24", "data.horizon=6", "debug=tiny",
    ]  # fmt: skip
    ahead = [*common, "data.future_covariates=[plan]", "task.normalization=revin"]
    options = {"past": common, "ahead": ahead, "lstm": [*common, "backbone=lstm"]}
    models = {}
    for name, each in options.items():
        torch.manual_seed(0)
        task, _ = build(compose_config(each))
        models[name] = task.model
        with torch.no_grad():
            for weight in models[name].parameters():
                weight.add_(0.1 * torch.randn_like(weight))
        models[name].eval()
    return models


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["past", "ahead", "lstm"]),
    st.sampled_from(["north", "elsewhere"]),
    st.lists(st.integers(0, 90), max_size=12),
)
def test_forecasting(forecasters, name, series, places) -> None:
    model = forecasters[name]
    table = hourly_table(90).query("site == 'north'").assign(site=series).reset_index(drop=True)
    ahead = 6 if name == "ahead" else 0
    stream, end = model.stream(), 0
    for piece in pieces(table, places):
        end += len(piece)
        # What is known ahead comes with empty targets, and is replaced when it was measured.
        later = table.iloc[end : end + 2 * ahead].assign(load=np.nan)
        found = stream.push(pd.concat([piece, later]) if len(piece) else piece)
        so_far = pd.concat([table.iloc[:end], later])
        try:
            expected = model.predict(so_far)
        except UserError:
            assert np.isnan(found.values_BPCQ).all()
            continue
        assert stream.waiting == [""]
        np.testing.assert_allclose(found.values_BPCQ, expected.values_BPCQ, atol=CLOSE, rtol=1e-5)
        np.testing.assert_array_equal(found.windows[0].future_time, expected.windows[0].future_time)
        np.testing.assert_array_equal(found.history_BTC, expected.history_BTC)
    assert len(stream.state_dict()["rows"][0]["rows"]["target"]) <= 2 * 24 + 6
