"""From a request to a handler's arguments: path, query and body, refused with the field's name where they are wrong."""

import asyncio
import json
import re
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.contracts.problem import FieldError
from shared.errors import ApiError, NotFound
from shared.routes import Route

_BODY_SECONDS = 30.0
_POSITIVE = re.compile(r"[1-9][0-9]{0,15}")
_LARGEST = 2**53  # beyond it JSON readers disagree


def path_arguments(route: Route, request: web.Request) -> dict[str, Any]:
    """The path's parameters. An id that can belong to nothing is as unknown as any other."""
    arguments: dict[str, Any] = {}
    for name, kind in route.path_parameters.items():
        text = request.match_info[name]
        if not _storable(text) or (kind is int and not _POSITIVE.fullmatch(text)):
            raise NotFound()
        arguments[name] = int(text) if kind is int else text
    return arguments


def query_argument(model: type[BaseModel], request: web.Request) -> BaseModel:
    """The query string as `model`; of a repeated name the last counts."""
    try:
        return _checked(model.model_validate_strings(dict(request.query)))
    except ValidationError as error:
        raise _invalid(error) from error


def body_argument(model: type[BaseModel], body: bytes) -> BaseModel:
    """The JSON body as `model`, by JSON's own types: "10" is no number. Unknown fields are ignored."""
    try:
        return _checked(model.model_validate_json(body or b"{}", strict=True))
    except ValidationError as error:
        raise _invalid(error, body) from error


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The whole body, if it is no longer than `limit` bytes and comes in time."""
    too_large = ApiError("payload_too_large", f"The body may be {limit} bytes long.")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise ApiError("invalid_request", f"The body did not come within {_BODY_SECONDS:.0f} seconds.") from None
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, web.RequestPayloadError) as error:
        raise ApiError(
            "invalid_request", "The body could not be read; check Content-Length and Content-Encoding."
        ) from error
    return bytes(body)


def _checked(model: BaseModel) -> BaseModel:
    found = _unstorable(model.model_dump(by_alias=True), "")
    errors = [FieldError(field=field, message=message) for field, message in found]
    if errors:
        raise _refusal(errors)
    return model


def _unstorable(value: Any, field: str) -> list[tuple[str, str]]:
    """What is valid JSON and yet can be kept in no database."""
    if isinstance(value, str):
        return [] if _storable(value) else [(field, "contains NUL or half a surrogate pair")]
    if isinstance(value, int | float):
        return [] if -_LARGEST <= value <= _LARGEST else [(field, "is no number between -2^53 and 2^53")]
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in _unstorable(part, f"{field}.{name}".lstrip("."))]
    if isinstance(value, list | tuple):
        return [found for index, part in enumerate(value) for found in _unstorable(part, f"{field}.{index}")]
    return []


def _storable(text: str) -> bool:
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text


def _undecodable(body: bytes) -> list[FieldError]:
    """The fields that alone keep `body` from being valid JSON in UTF-8."""
    try:
        found = _unstorable(json.loads(body.decode(errors="surrogateescape")), "")
    except (ValueError, RecursionError):
        return []
    return [FieldError(field=field, message=message) for field, message in found if field and _storable(field)]


def _invalid(error: ValidationError, body: bytes = b"") -> ApiError:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        fields = _undecodable(body)
        return _refusal(fields) if fields else ApiError("invalid_request", "The body is not valid JSON in UTF-8.")
    if not details[0]["loc"] and details[0]["type"] == "model_type":
        return ApiError("invalid_request", "The body must be a JSON object.")
    return _refusal(
        [
            FieldError(
                field=".".join(str(part) for part in detail["loc"]),
                message=detail["msg"].removeprefix("Value error, "),
            )
            for detail in details[:20]
        ]
    )


def _refusal(errors: list[FieldError]) -> ApiError:
    message = "; ".join(f"{error.field}: {error.message}" if error.field else error.message for error in errors[:3])
    return ApiError("invalid_request", message, errors=errors)
