"""Models of a server: their names, how many are in memory, and files that change."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from service_models import save_checkpoint
from serving_clients import client_of, run
from stream_fixtures import sentiment_model, speech_model

from gru_suite.errors import UserError

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx")

from gru_suite.serving import store as store_module


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    models = {"texts": sentiment_model(), "other": sentiment_model("lstm"), "words": speech_model()}
    return {
        name: save_checkpoint(model, root / name / "checkpoints" / "best.ckpt")
        for name, model in models.items()
    }


def test_names_of_models(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    names = [
        name
        for name, _ in store_module._named(
            [
                Path("outputs/reviews/checkpoints/best.ckpt"),
                Path("more/reviews/checkpoints/best.ckpt"),
                Path("exports/my model!.safetensors"),
                Path("/best.ckpt"),
                Path("a/ж/best.ckpt"),
            ]
        )
    ]
    assert names == ["reviews", "reviews-2", "my-model", "best", "model"]

    async def work() -> None:
        paths = [checkpoints["texts"], checkpoints["words"]]
        async with client_of(*paths, max_models=1) as client:
            listed = (await client.get("/v1/models")).json()["models"]
            assert [(each["name"], each["task"]) for each in listed] == [
                ("texts", "sentiment"), ("words", "speech_commands"),
            ]  # fmt: skip
            assert [each["input_kind"] for each in listed] == ["text", None]
            found = (await client.get("/v1/models/words")).json()
            assert found["streams"]
            assert found["live"] == {"chunk": "pcm16", "sample_rate_hz": 2000}
            assert found["file"] == "best.ckpt"
            assert str(checkpoints["words"].parent) not in json.dumps(found)
            listed = (await client.get("/v1/models")).json()["models"]
            assert [each["input_kind"] for each in listed] == [None, "audio"]
            missing = await client.get("/v1/models/wrods")
            assert missing.status_code == 404
            assert "did you mean 'words'?" in missing.json()["error"]

    run(work())
    with pytest.raises(UserError, match="no such folder"):
        store_module._finished_runs(tmp_path / "none")
    with pytest.raises(UserError, match="no finished run there"):
        store_module._finished_runs(tmp_path)


def test_a_replaced_file_is_taken_over_and_a_damaged_one_is_not(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LOOK_S", 0.02)
    path = tmp_path / "texts" / "best.ckpt"
    path.parent.mkdir()
    path.write_bytes(checkpoints["texts"].read_bytes())

    def replace(content: bytes) -> None:
        path.with_suffix(".new").write_bytes(content)
        os.replace(path.with_suffix(".new"), path)

    async def work() -> None:
        async with client_of(path) as client:
            versions: list[str] = []
            stop = asyncio.Event()

            async def ask() -> None:
                while not stop.is_set():
                    found = await client.post("/v1/models/texts/predict", json={"input": "good"})
                    assert found.status_code == 200, found.text
                    versions.append(found.json()["version"])

            async def wait_for(version: str) -> None:
                while versions[-1] != version:
                    await asyncio.sleep(0.01)

            asking = [asyncio.create_task(ask()) for _ in range(4)]
            await asyncio.sleep(0.2)
            first = versions[0]
            replace(checkpoints["texts"].read_bytes()[:5000])
            await asyncio.sleep(0.3)
            assert set(versions) == {first}
            replace(b"no checkpoint")
            await asyncio.sleep(0.3)
            assert set(versions) == {first}
            path.unlink()
            await asyncio.sleep(0.1)
            replace(checkpoints["other"].read_bytes())
            while len(set(versions)) < 2:
                await asyncio.sleep(0.01)
            second = versions[-1]
            replace(checkpoints["texts"].read_bytes())
            await wait_for(first)
            assert second != first
            stop.set()
            await asyncio.gather(*asking)

    run(work())
