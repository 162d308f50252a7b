"""Descriptions of the operations of the API, with examples."""

from typing import Any

TAGS = [
    {"name": "models", "description": "Checkpoints that are served."},
    {"name": "predictions", "description": "Predictions, explanations and gates of inputs."},
    {"name": "server", "description": "The server itself."},
]

_ERROR = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        }
    }
}
_WHY = {
    400: "The body is neither JSON nor a form.",
    401: "A token is needed.",
    403: "The request comes from another host or site.",
    404: "There is no such model.",
    405: "The path has another method.",
    413: "The body is too large.",
    415: "The content type is neither JSON nor a form.",
    422: "An input is wrong; the sentence says what was found and what is needed.",
    429: "Too many requests a second.",
    503: "Too many inputs wait, or the prediction took too long.",
}
_INPUTS: dict[str, Any] = {
    "text": {"summary": "a text", "value": {"input": "a fine piece of work"}},
    "texts": {"summary": "several texts", "value": {"inputs": ["a fine day", "a waste of time"]}},
    "table": {
        "summary": "a table, as CSV, columns or rows",
        "value": {"input": {"columns": {"time": ["2030-01-01 00:00"], "temp": [41.2]}}},
    },
    "audio": {
        "summary": "samples of full scale 1.0",
        "value": {"input": {"samples": [0.0, 0.1, -0.1], "sample_rate_hz": 16000}},
    },
    "file": {
        "summary": "a file",
        "value": {"input": {"name": "clip.mp4", "base64": "AAAAIGZ0eXBpc29t"}},
    },
    "numbers": {"summary": "rows of numbers", "value": {"input": [[0.1, 0.2], [0.3, 0.4]]}},
}
_FILES = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    },
    "required": ["files"],
}
_PREDICTION_EXAMPLES: dict[str, Any] = {
    "classes": {
        "summary": "classes",
        "value": {
            "model": "reviews",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "name": "a fine day",
                    "label": "positive",
                    "probability": {"negative": 0.2, "positive": 0.8},
                }
            ],
            "milliseconds": 3.1,
        },
    },
    "forecast": {
        "summary": "forecasts",
        "value": {
            "model": "weather",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "name": "table",
                    "series": [
                        {
                            "name": "JFK",
                            "past_time": ["2030-01-01T00:00:00"],
                            "time": ["2030-01-01T01:00:00"],
                            "targets": {
                                "temp": {
                                    "past": [41.2],
                                    "forecast": [41.5],
                                    "quantiles": {"0.1": [40.1], "0.5": [41.5], "0.9": [42.9]},
                                }
                            },
                        }
                    ],
                    "left_out": {},
                    "columns": {"used": ["time", "temp"], "ignored": []},
                }
            ],
            "milliseconds": 9.8,
        },
    },
    "translation": {
        "summary": "translations",
        "value": {
            "model": "captions",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "source": "Two dogs run.",
                    "text": "Zwei Hunde laufen.",
                    "score": -0.31,
                    "alternatives": [{"text": "Zwei Hunde rennen.", "score": -0.47}],
                    "source_words": ["Two", "dogs", "run."],
                    "target_words": ["Zwei", "Hunde", "laufen."],
                    "attention": [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.2, 0.8]],
                }
            ],
            "milliseconds": 41.0,
        },
    },
    "tracks": {
        "summary": "tracks",
        "value": {
            "model": "people",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "name": "clip.mp4",
                    "size": [96, 128],
                    "time": [0.0, 0.04],
                    "tracks": [
                        {
                            "boxes": [[10.0, 20.0, 12.0, 30.0], [11.2, 20.1, 12.0, 30.2]],
                            "visible": [1.0, 0.98],
                        }
                    ],
                }
            ],
            "milliseconds": 20.0,
        },
    },
    "transcript": {
        "summary": "transcripts",
        "value": {
            "model": "dictation",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "name": "note.wav",
                    "text": "call anna",
                    "confidence": 0.91,
                    "seconds": 1.4,
                    "num_final": 2,
                    "words": [
                        {"text": "call", "start": 0.2, "end": 0.5, "confidence": 0.9},
                        {"text": "anna", "start": 0.6, "end": 1.1, "confidence": 0.92},
                    ],
                    "srt": "1\n00:00:00,200 --> 00:00:01,100\ncall anna\n",
                }
            ],
            "milliseconds": 12.0,
        },
    },
    "summary": {
        "summary": "summaries",
        "value": {
            "model": "papers",
            "version": "1a2b3c4d",
            "predictions": [
                {
                    "name": "Snow fell. We show how drifts form.",
                    "summary": "We show how drifts form.",
                    "sentences": [
                        {"text": "Snow fell.", "score": 0.2, "chosen": False},
                        {"text": "We show how drifts form.", "score": 0.8, "chosen": True},
                    ],
                }
            ],
            "milliseconds": 6.2,
        },
    },
}


def _body(
    schema: dict[str, Any], files: dict[str, Any], examples: dict[str, Any]
) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema, "examples": examples},
            "multipart/form-data": {"schema": files},
        },
    }


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _operation(
    tag: str, summary: str, ok: dict[str, Any], statuses: tuple[int, ...], **extra: Any
) -> dict[str, Any]:
    responses: dict[int, Any] = {200: ok}
    responses |= {each: {"description": _WHY[each], **_ERROR} for each in statuses}
    return {"tags": [tag], "summary": summary, "responses": responses, "openapi_extra": extra}


def _json(description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, **more}},
    }


_ANY = {"description": "as the model takes it: see GET /v1/models/{name}"}
_EITHER = {
    "type": "object",
    "properties": {
        "input": _ANY,
        "inputs": {"type": "array", "items": _ANY, "minItems": 1},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_ONE = {
    "type": "object",
    "properties": {"input": _ANY, "layer": {"type": "integer", "minimum": 0, "default": 0}},
    "required": ["input"],
    "additionalProperties": False,
}
_ONE_EXAMPLES = {key: each for key, each in _INPUTS.items() if key != "texts"}
_GUARD = (401, 403, 429)
_READ = (400, *_GUARD, 404, 413, 415, 422, 503)
_MODEL = {
    "type": "object",
    "required": ["name", "task"],
    "properties": {"name": {"type": "string"}},
}

OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/health"): _operation(
        "server",
        "Whether the server is up",
        _json("It is.", _object(["status"], status={"type": "string"}, models={"type": "integer"})),
        (403,),
    ),
    ("GET", "/metrics"): _operation(
        "server",
        "Metrics for Prometheus",
        {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        (401, 403),
    ),
    ("GET", "/v1/models"): _operation(
        "models",
        "The models",
        _json("Their names.", _object(["models"], models={"type": "array", "items": _MODEL})),
        _GUARD,
    ),
    ("GET", "/v1/models/{name}"): _operation(
        "models",
        "A model: inputs, outputs, limits, card",
        _json("The model.", _MODEL),
        (*_GUARD, 404, 422),
    ),
    ("POST", "/v1/models/{name}/predict"): _operation(
        "predictions",
        "Predictions of one input or several, from JSON or files",
        _json(
            "A prediction for each input, in their order.",
            _object(
                ["model", "version", "predictions", "milliseconds"],
                predictions={"type": "array", "items": {"type": "object"}},
            ),
            examples=_PREDICTION_EXAMPLES,
        ),
        _READ,
        requestBody=_body(_EITHER, _FILES, _INPUTS),
    ),
    ("POST", "/v1/models/{name}/explain"): _operation(
        "predictions",
        "The share of each token in a prediction (texts)",
        _json("Attributions by integrated gradients.", {"type": "object"}),
        _READ,
        requestBody=_body(_ONE, _FILES, _ONE_EXAMPLES),
    ),
    ("POST", "/v1/models/{name}/gates"): _operation(
        "predictions",
        "The gates of the backbone at each step of an input",
        _json("Values from 0 to 1, steps times units, by gate.", {"type": "object"}),
        _READ,
        requestBody=_body(_ONE, _FILES, _ONE_EXAMPLES),
    ),
}
