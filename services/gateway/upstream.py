"""The services behind the gateway: one kept connection pool each, over TCP or a unix socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from io import BytesIO

import aiohttp
from yarl import URL

from services.gateway.assertions import Assertions
from shared.crypto import ASSERTION_HEADER
from shared.errors import ApiError
from shared.trace import correlation_id, traceparent
from shared.web import Caller

CONNECTIONS = 200  # to one service
CONNECT_TIMEOUT = 3.0  # seconds
SILENCE = 30.0  # seconds that a service may let pass without a byte
UNIX = "unix:"


class Upstreams:
    def __init__(self, urls: Mapping[str, str], assertions: Assertions) -> None:
        """`urls`: service -> http://host:port or unix:/path. To be opened before use."""
        self._assertions = assertions
        self._urls = urls
        self._bases = {
            service: "http://localhost" if url.startswith(UNIX) else url.rstrip("/") for service, url in urls.items()
        }
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def open(self) -> None:
        for service, url in self._urls.items():
            unix = url.startswith(UNIX)
            self._sessions[service] = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(url.removeprefix(UNIX).removeprefix("//"), limit=CONNECTIONS)
                if unix
                else aiohttp.TCPConnector(limit=CONNECTIONS),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def answer(
        self,
        service: str,
        method: str,
        path: str,
        caller: Caller,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        silence: float = SILENCE,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The service's answer, its body unread. `path`: encoded, with the query.

        ApiError service_unavailable when it does not come, or breaks off while the block reads it.
        """
        sent = dict(headers or {})
        sent[ASSERTION_HEADER] = self._assertions.of(service, caller.principal, caller.client)
        if request_id := correlation_id.get():
            sent["X-Request-ID"] = request_id
        if trace := traceparent.get():
            sent["traceparent"] = trace
        try:
            async with self._sessions[service].request(
                method,
                URL(self._bases[service] + path, encoded=True),
                headers=sent,
                data=BytesIO(body) if body else None,  # sent piece by piece
                allow_redirects=False,
                timeout=_patience(silence),
            ) as answer:
                yield answer
        except TimeoutError as error:
            raise unavailable("did not answer in time") from error
        except aiohttp.ClientPayloadError as error:
            raise unavailable("broke off its answer") from error
        except aiohttp.ClientError as error:
            raise unavailable("cannot be reached just now") from error


@lru_cache
def _patience(silence: float) -> aiohttp.ClientTimeout:
    """An answer may take as long as it comes, but no part of it longer than `silence` seconds."""
    return aiohttp.ClientTimeout(total=None, connect=SILENCE, sock_connect=CONNECT_TIMEOUT, sock_read=silence)


def unavailable(what: str) -> ApiError:
    return ApiError(
        "service_unavailable",
        f"A part of the service {what}. Try again in a few seconds.",
        headers={"Retry-After": "2"},
    )
