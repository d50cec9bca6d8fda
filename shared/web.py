"""The web layer of every service: identity, transaction, idempotency and the one error form around typed handlers."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import HttpVersion11, hdrs, web

from shared import trace
from shared.binding import body_argument, path_arguments, query_argument, read_body
from shared.contracts.principal import Principal
from shared.crypto import ASSERTION_HEADER, Assertion, Untrusted, verify_assertion
from shared.database import Connection, Unavailable
from shared.errors import REQUEST_ID, REQUEST_ID_HEADER, ApiError, NotFound, problem_response, request_id
from shared.idempotency import HEADER as IDEMPOTENCY_HEADER
from shared.idempotency import Call, Idempotency
from shared.routes import Route, Routes
from shared.service import Context

__all__ = ["Caller", "Identify", "Routes", "caller", "client_address", "expected", "request_id", "web_app"]

_RAW_LIMIT = 1024**2  # aiohttp's own bound for what no route declares
_ASSERTIONS_KEPT = 1024

_log = structlog.get_logger()


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `asserted`: the gateway vouches for it."""

    principal: Principal | None = None
    client: str | None = None  # the client's address
    asserted: bool = False


_CALLER = web.RequestKey("caller", Caller)
_BEGUN = web.RequestKey("begun", asyncio.Event)

Identify = Callable[[web.Request], Awaitable[Caller]]


def web_app(ctx: Context[Any], *topics: Routes, identify: Identify | None = None) -> web.Application:
    """An application that serves `topics`. `identify` tells who is calling: by default, the gateway's assertion."""
    app = web.Application(middlewares=[_boundary(ctx)], client_max_size=_RAW_LIMIT)
    identify = identify or _Assertions(ctx).identify
    idempotency = Idempotency(ctx.own_database, ctx.clock) if ctx.own_database is not None else None
    if idempotency is not None:
        ctx.worker("idempotency retention", idempotency.purge())
    for route in (route for routes in topics for route in routes):
        handler = _handler(ctx, route, identify, idempotency)
        for path in {route.pattern, route.pattern.rstrip("/") + "/"}:
            for method in (hdrs.METH_GET, hdrs.METH_HEAD) if route.method == hdrs.METH_GET else (route.method,):
                app.router.add_route(method, path, handler, expect_handler=expected)
    app.on_response_prepare.append(_prepare)
    return app


async def expected(request: web.Request) -> None:
    """For `Expect`: asks for the body. What else may be expected is ignored (RFC 9110, section 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def caller(request: web.Request) -> Caller:
    return request[_CALLER]


def client_address(request: web.Request) -> str | None:
    """The client's address, as the gateway saw it."""
    return caller(request).client


class _Assertions:
    """The gateway's signed word on who is calling. Each is verified once and remembered until it expires."""

    def __init__(self, ctx: Context[Any]) -> None:
        self._ctx = ctx
        self._verified: OrderedDict[str, Assertion] = OrderedDict()

    async def identify(self, request: web.Request) -> Caller:
        token = request.headers.get(ASSERTION_HEADER)
        if token is None:
            return Caller()
        now = self._ctx.clock.now()
        assertion = self._verified.get(token)
        if assertion is None or now >= assertion.expires_at:
            try:
                assertion = verify_assertion(self._ctx.keys, token, audience=self._ctx.name, now=now)
            except Untrusted as error:
                raise ApiError("unauthorized", "The assertion of the caller is not valid.") from error
            self._verified[token] = assertion
            if len(self._verified) > _ASSERTIONS_KEPT:
                self._verified.popitem(last=False)
        return Caller(assertion.claims.principal, assertion.claims.client, asserted=True)


def _handler(
    ctx: Context[Any], route: Route, identify: Identify, idempotency: Idempotency | None
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        request[_CALLER] = who = await identify(request)
        _authorise(route, who)
        if (request.content_length or 0) > route.body_limit:
            raise ApiError("payload_too_large", f"The body may be {route.body_limit} bytes long.")
        arguments: dict[str, Any] = path_arguments(route, request)
        if route.query is not None:
            arguments["query"] = query_argument(route.query, request)
        keyed = None
        if idempotency is not None and route.takes_idempotency_key and IDEMPOTENCY_HEADER in request.headers:
            keyed = who.principal
        raw = await read_body(request, route.body_limit) if route.body is not None or keyed is not None else b""
        if route.body is not None:
            arguments["body"] = body_argument(route.body, raw)
        if "request" in route.takes:
            arguments["request"] = request.clone(client_max_size=route.body_limit)
        if "principal" in route.takes:
            arguments["principal"] = who.principal

        async def effect(conn: Connection | None) -> web.StreamResponse:
            if conn is not None:
                arguments["conn"] = conn
            return _response(route, await route.handler(**arguments))

        if keyed is not None and idempotency is not None:
            return await idempotency.once(Call.of(request, route, keyed.account_id, raw), effect)
        if "conn" not in route.takes:
            return await effect(None)
        async with ctx.database.transaction() as conn:
            return await effect(conn)

    return handle


def _authorise(route: Route, who: Caller) -> None:
    if route.internal and not (who.asserted and who.principal is None):
        raise NotFound()
    if not route.identified:
        return
    principal = who.principal
    if principal is None:
        raise ApiError(
            "unauthorized",
            "This needs a credential: send `Authorization: Bearer <API key or token>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if principal.status == "disabled":
        raise ApiError("account_disabled", "This account is disabled. Ask support to enable it.")
    if route.scope is not None and route.scope not in principal.scopes:
        raise ApiError("forbidden_scope", f"This credential lacks the scope {route.scope}. Use one that has it.")


def _response(route: Route, result: Any) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if route.answer is None:
        return web.Response(status=route.status)
    return web.Response(
        status=route.status, body=route.answer.dump_json(result, by_alias=True), content_type="application/json"
    )


def _boundary(ctx: Context[Any]) -> Any:
    """The outermost layer: request id, log context, measures, and an answer in the error form whatever happens."""
    requests = ctx.metrics.counter("http_requests", "Requests answered.", ("service", "method", "route", "status"))
    seconds = ctx.metrics.histogram("http_request_seconds", "Time to answer.", ("service", "route"))

    @web.middleware
    async def boundary(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        started = time.perf_counter()
        given = request.headers.get(REQUEST_ID_HEADER)
        identity = given if given is not None and trace.well_formed(given) else ctx.ids.text("req_")
        request[REQUEST_ID] = identity
        request[_BEGUN] = begun = asyncio.Event()  # an object: handlers get a copy of the request
        trace.correlation_id.set(identity)
        trace.traceparent.set(trace.child_of(request.headers.get("traceparent")))
        structlog.contextvars.bind_contextvars(service=ctx.name, request_id=identity)
        try:
            response = await handler(request)
        except Exception as error:
            if begun.is_set():
                return _broken_off(request, error)
            response = _error_response(ctx, request, error)
        resource = request.match_info.route.resource
        template = resource.canonical.rstrip("/") or "/" if resource is not None else "none"
        method = request.method if request.method in hdrs.METH_ALL else "other"
        requests.labels(ctx.name, method, template, str(response.status)).inc()
        seconds.labels(ctx.name, template).observe(time.perf_counter() - started)
        return response

    return boundary


def _broken_off(request: web.Request, error: Exception) -> web.StreamResponse:
    """Half of an answer is out: all that is left is to break the connection, so that nobody takes it for whole."""
    if not isinstance(error, ConnectionError):
        _log.error("answer broken off", method=request.method, path=request.path, exc_info=error)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _error_response(ctx: Context[Any], request: web.Request, error: Exception) -> web.StreamResponse:
    match error:
        case ApiError():
            return problem_response(error, request)
        case web.HTTPException() if error.status < 400:
            return error
        case web.HTTPMethodNotAllowed():
            allow = ", ".join(sorted(error.allowed_methods))
            refusal = ApiError("method_not_allowed", f"This path takes {allow}.", headers={"Allow": allow})
            return problem_response(refusal, request)
        case web.HTTPNotFound():
            return problem_response(NotFound(), request)
        case web.HTTPRequestEntityTooLarge():
            return problem_response(ApiError("payload_too_large", "The body is too large."), request)
        case web.HTTPException() if error.status < 500:
            return problem_response(ApiError("invalid_request", error.reason), request)
        case Unavailable():
            _log.warning("database unavailable", error=str(error))
            busy = ApiError(
                "service_unavailable", "We cannot answer just now. Try again.", headers={"Retry-After": "5"}
            )
            return problem_response(busy, request)
    _log.error("request failed", method=request.method, path=request.path, exc_info=error)
    contact = f" or ask {ctx.settings.support_url}" if ctx.settings.support_url else ""
    failure = ApiError(
        "internal_server_error",
        f"This went wrong on our side. Try again{contact}, naming the request {request_id(request)}.",
    )
    return problem_response(failure, request)


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    request[_BEGUN].set()
    response.headers[REQUEST_ID_HEADER] = request_id(request)
    response.headers[hdrs.SERVER] = "ComplianceLayer"
