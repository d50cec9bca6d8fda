"""Errors that a client sees: one form, made here and nowhere else."""

import http
from collections.abc import Mapping, Sequence

from aiohttp import web

from shared.contracts.problem import STATUS_OF, FieldError, Problem

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID = web.RequestKey("request_id", str)
REQUEST_ID_HEADER = "X-Request-ID"


class ApiError(Exception):
    """An answer other than success; its status follows from `code`. The message tells the caller what to do next."""

    def __init__(
        self, code: str, message: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS_OF[code]
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class NotFound(ApiError):
    """Not there, or not the caller's: the same bytes for both, and nothing of what was asked for."""

    def __init__(self) -> None:
        super().__init__("not_found", "There is nothing here, or it is not yours.")


class InvalidField(ApiError):
    """One field of the request is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("invalid_request", f"{field}: {message}", errors=[FieldError(field=field, message=message)])


def request_id(request: web.BaseRequest) -> str:
    """The id of this request: the caller's own when it was well-formed."""
    found: str = request.get(REQUEST_ID, "")
    return found


def problem(error: ApiError, request: web.BaseRequest) -> Problem:
    """The body of an error answer (RFC 9457)."""
    return Problem(
        type=f"urn:compliancelayer:error:{error.code}",
        title=http.HTTPStatus(error.status).phrase,
        status=error.status,
        error=error.code,
        message=error.message,
        detail=error.message,
        request_id=request_id(request),
        errors=error.errors or None,
    )


def problem_response(error: ApiError, request: web.BaseRequest) -> web.Response:
    return web.Response(
        status=error.status,
        body=problem(error, request).model_dump_json(exclude_none=True).encode(),
        content_type=PROBLEM_TYPE,
        headers=error.headers,
    )
