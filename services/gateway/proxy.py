"""Everything that one service answers alone goes through here, its answer streamed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from services.gateway.entry import Entry
from services.gateway.routing import match
from services.gateway.upstream import Upstreams
from shared.binding import read_body
from shared.errors import NotFound
from shared.web import Caller

# What services read of a client's headers; nothing else gets past the gateway.
FORWARDED = ("Accept", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Stripe-Signature")
# RFC 9110, section 7.6.1, and what the gateway says itself.
NOT_RETURNED = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "server", "date", "x-request-id", "content-length"}
)
WHOLE = 256 * 1024  # bytes: an answer up to this long is passed on in one piece
WRITE_TIMEOUT = 30.0  # seconds: a client that takes nothing for so long is let go


@dataclass(frozen=True)
class Proxy:
    entry: Entry
    upstreams: Upstreams

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self.forward(request, await self.entry.identify(request))

    async def forward(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The answer of the service that the path belongs to. ApiError not_found where it belongs to none."""
        row = match(request.path)
        # What a service, or a proxy before it, makes of dots is not ours to guess.
        if row is None or ("/." in request.path and not {".", ".."}.isdisjoint(request.path.split("/"))):
            raise NotFound()
        path = request.rel_url.raw_path.removesuffix("/")
        query = request.rel_url.raw_query_string
        answering = self.upstreams.answer(
            row.service,
            request.method,
            f"{path}?{query}" if query else path,
            caller,
            headers=forwarded(request),
            body=await read_body(request, row.max_body) if request.body_exists else None,
            silence=row.silence,
        )
        async with answering as answer:
            return await passed_on(request, answer)


def forwarded(request: web.Request) -> dict[str, str]:
    """Bytes that are no UTF-8 are sent on as some other text, for the service to refuse."""
    return {
        name: request.headers[name].encode(errors="surrogateescape").decode("latin-1")
        for name in FORWARDED
        if name in request.headers
    }


async def passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """A service's answer to the client: short ones whole, the rest as it comes."""
    headers = CIMultiDict(item for item in answer.headers.items() if item[0].lower() not in NOT_RETURNED)
    if answer.content_length is not None and answer.content_length <= WHOLE:
        return web.Response(status=answer.status, body=await answer.read(), headers=headers)
    stream = web.StreamResponse(status=answer.status, headers=headers)
    stream.content_length = answer.content_length
    async with _to_client():
        await stream.prepare(request)
    async for chunk in answer.content.iter_any():
        async with _to_client():
            await stream.write(chunk)
    async with _to_client():
        await stream.write_eof()
    return stream


@asynccontextmanager
async def _to_client() -> AsyncIterator[None]:
    """Tells a client that is gone from a service that is."""
    try:
        async with asyncio.timeout(WRITE_TIMEOUT):
            yield
    except (TimeoutError, ConnectionError) as error:
        raise ConnectionAbortedError("the client takes no more") from error
