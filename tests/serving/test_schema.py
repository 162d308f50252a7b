"""The server against its own description, /openapi.json, by schemathesis.

``GRU_SUITE_REQUESTS=10000`` is about the number of requests; by default few.
"""

import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from server_process import Server

schemathesis = pytest.importorskip("schemathesis")

pytestmark = pytest.mark.slow

OPERATIONS = 7
EXAMPLES = max(15, int(os.environ.get("GRU_SUITE_REQUESTS", "0")) // OPERATIONS)


@pytest.mark.filterwarnings("ignore")
def test_every_operation_answers_as_described(server: Server) -> None:
    from schemathesis import GenerationMode, checks

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    schema.config.base_url = server.url
    named = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    chosen = [checks.CHECKS.get_one(name) for name in named]
    tried = 0
    for operation in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.ok().as_strategy(generation_mode=mode)

            @given(case=strategy)
            @settings(
                max_examples=EXAMPLES // 2,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def call(case: Any) -> None:
                nonlocal tried
                tried += 1
                if "name" in (case.path_parameters or {}) and tried % 4:
                    names = ("series", "texts", "words", "moves")
                    case.path_parameters["name"] = names[tried % len(names)]
                case.call_and_validate(checks=chosen)

            # An operation without parameters has no wrong requests.
            with suppress(Unsatisfiable):
                call()
    print(f"\n{tried:,} requests")
    assert tried > OPERATIONS
    assert "Traceback" not in server.log.read_text()
