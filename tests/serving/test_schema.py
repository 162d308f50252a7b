"""The API against its own description, by schemathesis."""

import os
from itertools import count

import pytest
from server_process import Server

pytestmark = pytest.mark.slow


def test_the_api_is_as_it_describes_itself(server: Server) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis (extra test)")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    names = ["texts", "series", "tones", "ahead", "squares", "waves"]
    examples = int(os.environ.get("GRU_SUITE_REQUESTS", "300")) // 40
    numbers = count()
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) == 7
    for operation in operations:
        modes = [schemathesis.GenerationMode.POSITIVE]
        # Without a parameter and a body there is nothing wrong to send.
        if operation.method == "post":
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            cases = operation.as_strategy(generation_mode=mode)

            @given(case=cases)
            @settings(
                max_examples=max(5, examples),
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: object) -> None:
                number = next(numbers)
                parameters = getattr(case, "path_parameters", None)
                if parameters and number % 4:
                    parameters["name"] = names[number % len(names)]
                answer = case.call(timeout=60)  # type: ignore[attr-defined]
                assert answer.status_code < 500, answer.text
                case.validate_response(  # type: ignore[attr-defined]
                    answer,
                    checks=[
                        schemathesis.checks.not_a_server_error,
                        schemathesis.specs.openapi.checks.status_code_conformance,
                        schemathesis.specs.openapi.checks.content_type_conformance,
                        schemathesis.specs.openapi.checks.response_schema_conformance,
                    ],
                )

            check()
