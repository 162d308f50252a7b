"""Malformed requests: a sentence each, no fault of the server, no file read, no memory kept.

``GRU_SUITE_REQUESTS=10000 pytest -m slow -s tests/serving/test_malformed.py`` is the long run.
"""

import collections
import json
import os
from pathlib import Path

import httpx
import pytest
from malformed_requests import SECRET_PATHS, files, malformed
from server_process import Server
from video_files import moving, write_video

pytestmark = pytest.mark.slow

REQUESTS = int(os.environ.get("GRU_SUITE_REQUESTS", "800"))
# Of caches and of the allocator, after the first fifth of the requests.
MOST_MB = 60


def test_malformed_requests_are_answered_with_a_sentence(server: Server, tmp_path: Path) -> None:
    good = files(write_video(tmp_path / "a.mp4", moving(6)).read_bytes())
    statuses: collections.Counter[int] = collections.Counter()
    before = 0.0
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for seed in range(REQUESTS):
            if seed == REQUESTS // 5:
                before = server.resident_mb
            request = malformed(seed, good)
            found = client.request(
                request.method, request.path, headers=request.headers, content=request.body
            )
            statuses[found.status_code] += 1
            assert found.status_code < 500, (seed, request, found.text)
            assert "root:" not in found.text, (seed, request)
            content = json.loads(found.content) if request.method != "HEAD" else {}
            if found.is_error:
                assert list(content) == ["error"], (seed, found.text)
                assert 3 < len(content["error"]) < 1500, (seed, found.text)
                assert "Traceback" not in found.text
                assert "/tmp/" not in found.text, (seed, found.text)
        after = server.resident_mb
        print(f"\n{REQUESTS:,} requests: {dict(statuses)}; {before:.0f} MB, then {after:.0f} MB")
        assert client.get("/health").is_success
    assert "Traceback" not in server.log.read_text()
    assert after - before < MOST_MB
    assert statuses[422] > REQUESTS / 4


@pytest.mark.parametrize("path", [*SECRET_PATHS, "/proc/self/environ", "/dev/zero"])
@pytest.mark.parametrize("name", ["series", "texts", "words", "moves"])
def test_nothing_that_a_client_sends_is_taken_for_a_path(
    server: Server, name: str, path: str
) -> None:
    inputs = [path, {"csv": path}, {"path": path}, {"base64": "", "name": path}, [path]]
    inputs += [{"samples": path, "sample_rate_hz": 16000}, {"frames": path}]
    with httpx.Client(base_url=server.url, timeout=20) as client:
        for value in inputs:
            found = client.post(f"/v1/models/{name}/predict", json={"input": value})
            assert "root:" not in found.text
            assert found.status_code == 422 or (name == "texts" and value == path)
        for folder in ("/page/", "/page/../", "/page/%2e%2e/", "/page//"):
            found = client.get(f"{folder}{path}")
            assert "root:" not in found.text
            assert found.status_code in (404, 405, 200)
            assert not found.is_success or "<html" in found.text
