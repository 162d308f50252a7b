"""Services of the four tasks: inputs that are taken, inputs that are refused, batches, gates."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from service_models import HORIZON, load_table, service_models
from video_files import moving, write_video

from gru_suite.errors import UserError
from gru_suite.model.service.classification import PlainService
from gru_suite.model.service.limits import Limits
from gru_suite.model.service.service import Service, as_numbers, plain

NAMES = ("series", "texts", "live-texts", "words", "ahead", "moves")
NAN = float("nan")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service[Any, Any]]:
    models = service_models(tmp_path_factory.mktemp("tables"))
    return {name: model.service() for name, model in models.items()}


def columns(**options: Any) -> dict[str, Any]:
    table = load_table(**options)
    table["time"] = table["time"].astype(str)
    return {"columns": {name: table[name].tolist() for name in table}}


def tone(num_samples: int = 900, pitch: float = 0.1) -> dict[str, Any]:
    samples = 0.3 * np.sin(pitch * np.arange(num_samples))
    return {"samples": samples.tolist(), "sample_rate_hz": 2000}


def clip(num_frames: int = 5, seed: int = 0) -> dict[str, Any]:
    return {"frames": moving(num_frames, seed, 24, 32).tolist()}


INPUTS: dict[str, list[Any]] = {
    "series": [
        columns(),
        columns(num_rows=30, names=("b",)),
        {"csv": load_table(40).to_csv(index=False)},
        {"csv": load_table(40).to_csv(index=False, sep=";")},
        {"rows": load_table(40, ("c",)).astype({"time": str}).to_dict("records")},
    ],
    "texts": ["a good film", "bad", "ünknown \ud83c\udfac words " * 9, "\ud800 half a pair"],
    "live-texts": ["a good film", "bad bad"],
    "words": [tone(), tone(300), tone(5000, 0.3), {"samples": [0] * 700, "sample_rate_hz": 8000}],
    "ahead": [tone(), tone(300), tone(5000, 0.3)],
    "moves": [clip(), clip(1), clip(9, 3)],
}


def close(found: Any, expected: Any) -> bool:
    """Return whether plain data are equal but for the last digits of numbers."""
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(
            close(found[key], expected[key]) for key in found
        )
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return bool(np.isclose(found, expected, rtol=1e-4, atol=3e-5, equal_nan=True))
    return bool(found == expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_each_input_what_it_gives_alone(
    services: dict[str, Service[Any, Any]], name: str
) -> None:
    service = services[name]
    items = [service.read(value) for value in INPUTS[name]]
    together = service.predict(items)
    for item, result in zip(items, together, strict=True):
        assert close(result, service.predict([item])[0])
        json.dumps(plain(result), allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_plain_data_and_the_example_is_an_input(
    services: dict[str, Service[Any, Any]], name: str
) -> None:
    service = services[name]
    facts = [service.inputs(), service.outputs(), service.live(), service.example()]
    example = json.loads(json.dumps(facts, allow_nan=False))[3]
    if name != "moves":
        (result,) = service.predict([service.read(example)])
        assert result["name"]


def test_adaptive_intervals_of_several_tables_are_those_of_each(
    services: dict[str, Service[Any, Any]],
) -> None:
    service = services["series"]
    assert service.model.adaptive
    values = [columns(num_rows=rows, seed=rows) for rows in (200, 24, 130, 199)]
    values[2]["columns"]["load"][100] = None
    items = [service.read(value) for value in values]
    for item, result in zip(items, service.predict(items), strict=True):
        (alone,) = service.predict([item])
        assert close(result, alone)
    wide = service.predict([items[0]])[0]["series"][0]["targets"]["load"]["quantiles"]
    service.model.calibration = "split"
    try:
        split = service.predict([items[0]])[0]["series"][0]["targets"]["load"]["quantiles"]
    finally:
        service.model.calibration = "adaptive"
    assert wide["0.1"] != split["0.1"], "earlier errors count"
    assert wide["0.5"] == split["0.5"]


def test_a_forecast_names_times_quantiles_and_unused_columns(
    services: dict[str, Service[Any, Any]],
) -> None:
    value = columns()
    value["columns"]["extra"] = ["x"] * 160
    service = services["series"]
    (result,) = service.predict([service.read(value)])
    assert result["columns"] == {"used": ["time", "id", "rain", "load"], "ignored": ["extra"]}
    first = result["series"][0]
    assert first["name"] == "a"
    assert first["past_time"][-1] == "2024-01-04T07:00:00"
    assert first["time"] == [f"2024-01-04T{8 + step:02}:00:00" for step in range(HORIZON)]
    quantiles = first["targets"]["load"]["quantiles"]
    assert list(quantiles) == ["0.1", "0.5", "0.9"]
    assert quantiles["0.5"] == first["targets"]["load"]["forecast"]


BAD: list[tuple[str, Any, str]] = [
    ("texts", 3, "an input of type number: needs a text"),
    ("texts", None, "an input of type null"),
    ("texts", ["a"], "an input of type array"),
    ("texts", " \n", "found no text to predict"),
    ("texts", "a" * 100_001, "a text of 100,001 characters: at most 100,000"),
    ("series", "time,load", "a table as string: needs"),
    ("series", {}, "a table as keys : needs"),
    ("series", {"csv": "a", "rows": []}, "a table as keys csv, rows"),
    ("series", {"path": "/etc/passwd"}, "a table as keys path"),
    ("series", {"csv": "/etc/passwd"}, "a header but no rows"),
    ("series", {"csv": ""}, "needs the text of a CSV file"),
    ("series", {"csv": "time,id,rain,load\n1,2\n1,2,3,4,5,6\n"}, "cannot be read from csv"),
    ("series", {"columns": {"time": [1], "load": [1, 2]}}, "cannot be read from columns"),
    ("series", {"columns": {"time": 3}}, "needs an array for each name"),
    ("series", {"rows": [3]}, "needs an array of objects"),
    ("series", {"rows": []}, "a header but no rows"),
    ("series", {"columns": {"time": [[1]], "load": [1]}}, "row 1: found an array; a cell holds"),
    ("series", {"rows": [{"time": 1, "load": 10**400}]}, "found a whole number of 1,329 bits"),
    ("series", columns(num_rows=5), "too short|needs"),
    ("words", [0.1], "a recording as array: needs"),
    ("words", {"samples": []}, "a recording as keys samples"),
    ("words", {"samples": "abc", "sample_rate_hz": 2000}, "samples of type string"),
    ("words", {"samples": ["a"], "sample_rate_hz": 2000}, "samples that are not numbers"),
    ("words", {"samples": [[1], [2]], "sample_rate_hz": 2000}, "needs one channel"),
    ("words", {"samples": [0] * 9, "sample_rate_hz": 0}, "needs 1,000 to 768,000"),
    ("words", {"samples": [0] * 9, "sample_rate_hz": True}, "of type boolean"),
    ("words", {"samples": [0] * 9, "sample_rate_hz": NAN}, "needs 1,000 to 768,000"),
    ("words", {"samples": [NAN] * 900, "sample_rate_hz": 2000}, "finite|NaN"),
    ("words", {"samples": [10**400] * 900, "sample_rate_hz": 2000}, "not numbers"),
    ("words", {"samples": [0] * 700_000, "sample_rate_hz": 1000}, "700 seconds: at most 600"),
    ("moves", [1], "a video of type array"),
    ("moves", {"frames": [[1]]}, r"frames of shape \(1, 1\)"),
    ("moves", {"frames": [[[[1, 2, 300]]]]}, "frames of shape"),
    ("moves", {"frames": [[[[1, 2, NAN]]]]}, "frames of shape"),
    ("moves", {"frames": [[[[1, 2]]], [[[1]]]]}, "not numbers, or of different sizes"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_bad_input_is_refused_with_a_sentence(
    services: dict[str, Service[Any, Any]], name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as told:
        services[name].read(value)
    assert len(str(told.value)) < 600


def write_files(folder: Path) -> dict[str, list[Path]]:
    """Return files of each kind of input."""
    load_table(50).to_csv(folder / "a.csv", index=False)
    load_table(50).to_parquet(folder / "a.parquet")
    (folder / "a.txt").write_text("\ufeffa good film", encoding="utf-8")
    soundfile.write(folder / "a.wav", 0.2 * np.sin(np.arange(9000) / 5), 16000)
    write_video(folder / "a.mp4", moving(9))
    return {
        "series": [folder / "a.csv", folder / "a.parquet"],
        "texts": [folder / "a.txt"],
        "words": [folder / "a.wav"],
        "moves": [folder / "a.mp4"],
    }


def test_files_are_read_and_damaged_ones_refused_by_their_name(
    services: dict[str, Service[Any, Any]], tmp_path: Path
) -> None:
    for name, files in write_files(tmp_path).items():
        service = services[name]
        for path in files:
            (result,) = service.predict([service.read_file(path, f"my{path.suffix}")])
            assert result["name"] in (f"my{path.suffix}", "a good film")
            content = path.read_bytes()
            for damaged in (b"", content[:2], b"\xff\xfe\x80" * 50):
                copy = tmp_path / f"input{path.suffix}"
                copy.write_bytes(damaged)
                with pytest.raises(UserError) as told:
                    service.predict([service.read_file(copy, f"my{path.suffix}")])
                assert str(tmp_path) not in str(told.value)
                assert f"my{path.suffix}" in str(told.value)


def test_limits_are_those_of_the_service(
    services: dict[str, Service[Any, Any]], tmp_path: Path
) -> None:
    files = write_files(tmp_path)
    small = Limits(max_characters=5, max_rows=40, max_values=900, max_seconds=0.2, max_pixels=100)
    cases: list[tuple[str, Callable[[Service[Any, Any]], Any], str]] = [
        ("texts", lambda service: service.read("a good film"), "a text of 11 characters"),
        ("series", lambda service: service.read(columns()), "160 rows and 4 columns"),
        ("series", lambda service: service.read_file(files["series"][0], "a.csv"), "100 rows"),
        ("words", lambda service: service.read(tone()), "seconds: at most"),
        ("words", lambda service: service.read_file(files["words"][0], "a.wav"), "seconds"),
        ("moves", lambda service: service.read(clip()), "rows"),
        ("moves", lambda service: service.read_file(files["moves"][0], "a.mp4"), "pixels"),
    ]
    for name, read, sentence in cases:
        service = type(services[name])(services[name].model, small)
        with pytest.raises(UserError, match=sentence):
            read(service)


@pytest.mark.parametrize("name", NAMES)
def test_gates_of_an_input_have_a_value_for_each_step_and_unit(
    services: dict[str, Service[Any, Any]], name: str
) -> None:
    service = services[name]
    found = service.gates(service.read(INPUTS[name][0]))
    json.dumps(found, allow_nan=False)
    assert list(found["gates"]) == ["reset", "update"] == service.gate_names
    assert found["unit_of_step"] == service.step_kind
    for gate in found["gates"].values():
        values = np.array(gate)
        assert values.shape == (len(found["steps"]), len(found["units"])) == (
            found["num_steps"], 8,
        )  # fmt: skip
        assert ((values >= 0) & (values <= 1)).all()
    if found["step_labels"] is not None:
        assert found["step_labels"] == ["a", "good", "film"]
    with pytest.raises(UserError, match="layer 1: the backbone has layers 0 to 0"):
        service.gates(service.read(INPUTS[name][0]), 1)


def test_texts_alone_are_explained(services: dict[str, Service[Any, Any]]) -> None:
    found = services["texts"].explain("a good film")
    parts = [found["text"][each["start"] : each["end"]] for each in found["tokens"]]
    assert parts == ["a", "good", "film"]
    with pytest.raises(UserError, match="does not explain"):
        services["words"].explain(services["words"].read(tone()))


def picture(kind: str = "JPEG", size: tuple[int, int] = (32, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(buffer, kind)
    return buffer.getvalue()


CHUNKS: list[tuple[str, Any, str]] = [
    ("words", "abc", "needs a binary message"),
    ("words", b"\0" * 3, "a chunk of 3 bytes"),
    ("words", b"\0" * 4002, "at most 1 s a message"),
    ("moves", "abc", "needs a binary message"),
    ("moves", b"", "cannot be read"),
    ("moves", picture()[:200], "cannot be read"),
    ("moves", picture("GIF"), "cannot be read"),
    ("moves", picture("PNG", (4000, 4000)), "4000 x 4000 pixels is too large"),
    ("live-texts", 3, "type number"),
    ("live-texts", b"abc", "type bytes"),
    ("series", {"csv": 3}, "csv as number"),
    ("series", b"abc", "a table as bytes"),
]


@pytest.mark.parametrize(("name", "message", "sentence"), CHUNKS)
def test_a_bad_chunk_is_refused_with_a_sentence(
    services: dict[str, Service[Any, Any]], name: str, message: Any, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        services[name].streams().read(message)


def test_streams_say_the_same_whoever_else_is_there(
    services: dict[str, Service[Any, Any]],
) -> None:
    chunks: dict[str, list[Any]] = {
        "words": [b"\x10\x20" * 40, b"", b"\x00\x40\x00\xc0" * 300, b"\0" * 1200],
        "moves": [picture(), picture("PNG"), picture("WEBP")],
        "live-texts": ["a go", "od fi", "", " ", "lm bad"],
        "series": [columns(num_rows=30, names=("b",))],
    }
    for name, own in chunks.items():
        alone, crowd = services[name].streams(), services[name].streams()
        alone.join()
        for _ in range(3):
            crowd.join()
        for message in own:
            chunk = alone.read(message)
            (expected,) = alone.push([[chunk]])
            found = crowd.push([[], [chunk], []])
            assert found[0] is None
            assert expected is not None
            assert found[1] is not None
            expected.pop("fps", None)
            found[1].pop("fps", None)
            assert close(found[1], expected), name
            json.dumps(plain(found[1]), allow_nan=False)
        crowd.leave(0)
        crowd.reset(0)
        assert crowd.push([[crowd.read(own[0])], []])[1] is None


def test_a_model_that_looks_ahead_has_no_stream(services: dict[str, Service[Any, Any]]) -> None:
    with pytest.raises(UserError, match=r"task\.causal=true"):
        services["ahead"].streams()


def test_a_model_of_a_plug_in_takes_rows_of_numbers(
    services: dict[str, Service[Any, Any]], tmp_path: Path
) -> None:
    class Model:
        name = "waves"

        def predict(self, raw: Any) -> Any:
            if isinstance(raw, str):
                return {"path": Path(raw).name}
            return {"rows": len(raw), "mean": np.float32(raw.mean())}

    service: Any = PlainService(Model())  # type: ignore[arg-type]
    item = service.read([[1, 2], [3, 4]])
    file = service.read_file(tmp_path / "a.csv", "b.csv")
    assert service.predict([item, file]) == [
        {"name": "input", "result": {"rows": 2, "mean": 2.5}},
        {"name": "b.csv", "result": {"path": "a.csv"}},
    ]


@pytest.mark.parametrize(
    "value", ["/etc/passwd", 3, [], [[]], [[1], [1, 2]], [["a"]], [[NAN]], [[10**400]], {"a": 1}]
)
def test_other_things_than_rows_of_numbers_are_refused(value: Any) -> None:
    with pytest.raises(UserError, match="needs rows of finite numbers"):
        as_numbers(value, Limits())


def test_plain_data_have_no_nan_and_no_numpy() -> None:
    value = {"a": NAN, 1: np.float32(2), "b": [np.int64(3), (np.nan,)], "c": torch.float32}
    found = plain({**value, "d": np.array([[1.0, np.inf]])})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "a": None, "1": 2.0, "b": [3, [None]], "c": "torch.float32", "d": [[1.0, None]],
    }  # fmt: skip
