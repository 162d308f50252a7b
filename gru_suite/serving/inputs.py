"""Inputs of requests: JSON, or files as multipart forms."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from gru_suite.errors import UserError, nearest
from gru_suite.model.service.service import kind_of
from gru_suite.serving.guard import Refused
from gru_suite.serving.store import ServedModel, Work

_FILE_KEYS = {"base64", "name"}
# Of a form besides its files.
_MAX_FIELDS, _MAX_FIELD_BYTES = 10, 1_000_000
# Larger bodies are parsed in a thread, so that the others do not wait.
_LARGE = 200_000


async def read_json(request: Request, keys: Mapping[str, type]) -> dict[str, Any]:
    """Return the object in the body of a request.

    Args:
        request: with a JSON body.
        keys: allowed keys and the types of their values; ``object`` allows any.

    Raises:
        Refused: the body is no JSON object.
        UserError: a key or a type is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise Refused(
            415, f"content type {kind[:80]!r}: needs application/json or multipart/form-data"
        )
    body = await request.body()
    try:
        parse = json.loads
        value = await asyncio.to_thread(parse, body) if len(body) > _LARGE else parse(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {_first_line(error)}") from None
    if not isinstance(value, dict):
        raise Refused(400, f"the body is of type {kind_of(value)}: needs an object")
    for key, found in value.items():
        if key not in keys:
            raise UserError(f"no key {key[:80]!r}{nearest(key[:80], keys)}")
        needed = keys[key]
        if not isinstance(found, needed) or (needed is int and isinstance(found, bool)):
            raise UserError(f"{key} is of type {kind_of(found)}: needs {_TYPES[needed]}")
    return value


async def read_inputs(request: Request, served: ServedModel, max_items: int) -> list[Work]:
    """Return the inputs of a request for predictions.

    Raises:
        Refused: the body is neither JSON nor a form.
        UserError: it holds no input, too many, or one that cannot be read.
    """
    if _is_form(request):
        return (await read_form(request, served, max_items))[0]
    body = await read_json(request, {"input": object, "inputs": list})
    if len(body) != 1:
        raise UserError("needs input (one) or inputs (an array), and not both")
    values = body["inputs"] if "inputs" in body else [body["input"]]
    if not 1 <= len(values) <= max_items:
        raise UserError(f"{len(values):,} inputs: needs 1 to {max_items:,} in a request")
    return [await as_work(value, served) for value in values]


async def read_one(request: Request, served: ServedModel) -> tuple[Work, dict[str, Any]]:
    """Return the single input of a request, and its option ``layer``.

    Raises:
        Refused: the body is neither JSON nor a form.
        UserError: it does not hold one input.
    """
    if _is_form(request):
        works, fields = await read_form(request, served, 1)
        layer = fields.get("layer", "0")
        if not layer.isdecimal() or len(layer) > 4:
            raise UserError(f"layer={layer[:80]}: needs a whole number from 0")
        return works[0], {"layer": int(layer)}
    body = await read_json(request, {"input": object, "layer": int})
    if "input" not in body:
        raise UserError("needs input")
    return await as_work(body["input"], served), {"layer": body.get("layer", 0)}


async def as_work(value: Any, served: ServedModel) -> Work:
    """Return an input from JSON; a file in it is read here.

    Raises:
        UserError: the file cannot be read.
    """
    if not (isinstance(value, dict) and "base64" in value):
        return Work(value)
    if value.keys() - _FILE_KEYS or not all(isinstance(each, str) for each in value.values()):
        raise UserError('a file in JSON needs the form {"base64": "...", "name": "a.wav"}')
    try:
        content = base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"base64: {_first_line(error)}") from None
    return await read_file(content, value.get("name", ""), served)


async def read_form(
    request: Request, served: ServedModel, max_items: int
) -> tuple[list[Work], dict[str, str]]:
    """Return the files of a form as inputs, and its other fields.

    Raises:
        Refused: it is not a form.
        UserError: there is no file, too many, or one that cannot be read.
    """
    try:
        form = await request.form(
            max_files=max_items + 1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except (MultiPartException, ValueError) as error:
        raise Refused(400, f"the form cannot be read: {_first_line(error)}") from None
    except HTTPException as error:
        # What Starlette makes of the first of them within an application.
        raise Refused(400, f"the form cannot be read: {error.detail}") from None
    try:
        files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
        fields = {key: each for key, each in form.multi_items() if isinstance(each, str)}
        if not 1 <= len(files) <= max_items:
            raise UserError(
                f"{len(files)} files: needs 1 to {max_items:,} in a request, as parts called files"
            )
        works = []
        for each in files:
            works.append(await read_file(await each.read(), each.filename or "", served))
    finally:
        await form.close()
    return works, fields


async def read_file(content: bytes, name: str, served: ServedModel) -> Work:
    """Return a file as an input, read in a thread.

    Raises:
        UserError: its suffix is of no kind that the model takes, or it cannot be read.
    """
    loop = asyncio.get_running_loop()
    read = served.service.read_content
    return Work(await loop.run_in_executor(served.reading, read, content, name), is_read=True)


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


_TYPES = {list: "an array", int: "a whole number", str: "a string", object: "anything"}
