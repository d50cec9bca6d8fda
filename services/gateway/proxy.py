"""Everything that one service answers alone goes through here, streamed both ways."""

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from services.gateway.entry import Entry
from services.gateway.routing import match, normalise
from services.gateway.upstream import Caller, Upstreams, unavailable
from shared.errors import ApiError, NotFound

# RFC 9110, section 7.6.1, and what is the gateway's own business.
NOT_FORWARDED = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "authorization",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "expect",
        "x-request-id",
        "traceparent",
        "content-length",
    }
)
NOT_RETURNED = frozenset(
    {
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "server",
        "date",
        "x-request-id",
        "content-length",
    }
)
WHOLE = 256 * 1024  # bytes: an answer up to this long is passed on in one piece
WRITE_TIMEOUT = 30.0  # seconds: a client that takes nothing for so long is let go


@dataclass(frozen=True)
class Proxy:
    entry: Entry
    upstreams: Upstreams

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        caller = await self.entry.identify(request)
        return await self.forward(request, Caller(caller.principal, caller.client))

    async def forward(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The answer of the service that the path belongs to. ApiError not_found where it belongs to none."""
        row = match(normalise(request.path))
        if row is None:
            raise NotFound()
        if (request.content_length or 0) > row.max_body:
            raise ApiError("payload_too_large", f"The body may be {row.max_body} bytes long.")
        raw_path = request.rel_url.raw_path.rstrip("/") or "/"
        query = request.rel_url.raw_query_string
        answer = await self.upstreams.request(
            row.service,
            request.method,
            f"{raw_path}?{query}" if query else raw_path,
            caller,
            headers=forwarded(request),
            body=await read_body(request, row.max_body),
            timeout=row.timeout,
        )
        async with answer:
            return await passed_on(request, answer)


async def read_body(request: web.Request, limit: int) -> bytes | None:
    """The request's body within its limit and half a minute. ApiError payload_too_large, invalid_request."""
    if not request.body_exists:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(WRITE_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise ApiError("payload_too_large", f"The body may be {limit} bytes long.")
    except TimeoutError:
        raise ApiError("invalid_request", "The body did not arrive in time.") from None
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, web.RequestPayloadError, ValueError) as error:
        raise ApiError(
            "invalid_request", "The body could not be read; check Content-Length and Content-Encoding."
        ) from error
    return bytes(body)


def forwarded(request: web.Request) -> dict[str, str]:
    """The client's headers, less what ends at the gateway; never one of ours."""
    return {
        name: value
        for name, value in request.headers.items()
        if (lower := name.lower()) not in NOT_FORWARDED and not lower.startswith("x-cl-")
    }


async def passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """A service's answer to the client: short ones whole, the rest as it comes."""
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in NOT_RETURNED]
    try:
        if answer.content_length is not None and answer.content_length <= WHOLE:
            response = web.Response(status=answer.status, body=await answer.read())
            response.headers.clear()
            response.headers.extend(headers)
            return response
        stream = web.StreamResponse(status=answer.status)
        stream.headers.extend(headers)
        stream.content_length = answer.content_length
        await stream.prepare(request)
        async for chunk in answer.content.iter_any():
            async with asyncio.timeout(WRITE_TIMEOUT):
                await stream.write(chunk)
        await stream.write_eof()
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
        raise unavailable("broke off its answer") from error
    return stream
