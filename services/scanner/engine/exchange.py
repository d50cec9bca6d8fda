"""The HTTP exchanges of one probe: connections kept and used again, one deadline over all, failures as evidence."""

import asyncio
import errno
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import DEFAULT_PORTS, Response
from services.scanner.engine.http1 import (
    Answer,
    Closed,
    Connection,
    HeadersTooLong,
    Malformed,
    host_header,
    request_target,
)
from services.scanner.engine.network import HandshakeTimeout, Network, fault_of
from services.scanner.engine.places import NoPlace
from shared.egress import Refused

CONNECT_TIMEOUT = 4.0  # TCP, and TLS
REQUEST_TIMEOUT = 5.0
NO_ANSWER_TO_CONNECT = "nothing answered the attempt to connect"
_CODINGS = "gzip, deflate"
_COOKIE = re.compile(r"\A([^=;]*=)?([^;]*)")


@dataclass(frozen=True, slots=True)
class Exchange:
    response: Response
    body: bytes


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int
    address: str


@dataclass(slots=True)
class _Kept:
    """An open connection, and how to close it."""

    connection: Connection
    stack: AsyncExitStack


@dataclass(slots=True)
class _At:
    """What is open to one address."""

    turns: asyncio.Semaphore
    idle: dict[_Origin, list[_Kept]] = field(default_factory=dict)
    open: int = 0
    waiting: bool = False  # one of ours waits for a place of the host's: meanwhile none is kept
    returned: asyncio.Event = field(default_factory=asyncio.Event)  # when one has done an exchange, or is gone


class Exchanges:
    """All that one probe asks; once its seconds are spent, every further request is Unseen at once.

    Use as an async context manager. To one address at most `connections` are open at once over all its names, and
    `each` to one name by one scheme, so that none takes the kept ones of another.
    """

    def __init__(self, network: Network, seconds: float, *, connections: int = 4, each: int = 3) -> None:
        self._network = network
        self._end = asyncio.get_running_loop().time() + seconds
        self._connections = connections
        self._each = each
        self._turns: dict[_Origin, asyncio.Semaphore] = {}
        self._at: dict[str, _At] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end = 0.0  # what still runs, since its neighbour failed, keeps nothing
        for at in self._at.values():
            for kept in [one for idle in at.idle.values() for one in idle]:
                await kept.stack.aclose()
        self._at.clear()

    @property
    def remaining(self) -> float:
        return self._end - asyncio.get_running_loop().time()

    async def ask(
        self,
        address: str,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        limit: int = 2 * 1024 * 1024,
    ) -> Exchange | Unseen | None:
        """None where the port is closed. The body is cut at `limit` bytes, its gzip or deflate undone."""
        try:
            origin, target = _origin(url, address), request_target(url)
            sent = {
                "Host": host_header(origin.host, None if origin.port == DEFAULT_PORTS[origin.scheme] else origin.port),
                "User-Agent": self._network.user_agent,
                "Accept": "*/*",
                "Accept-Encoding": _CODINGS,
                **(headers or {}),
            }
            if self.remaining <= 0:
                return Unseen("the server answered so slowly that the time for it ran out", "target")
            answer = await self._answer(origin, method, target, sent, limit)
            return Exchange(_response(url, address, answer), answer.body)
        except ConnectionRefusedError:
            return None
        except HandshakeTimeout as error:
            return Unseen(str(error), "target")
        except _NotConnected as error:
            return Unseen(str(error), "target")
        except TimeoutError:
            return Unseen(f"no complete answer within {REQUEST_TIMEOUT:g} s", "target")
        except Malformed as error:
            return Unseen(f"its answer is not valid HTTP: {error}", "target")
        except (HeadersTooLong, Refused) as error:
            return Unseen(str(error), "target")
        except (OSError, EOFError, ValueError) as error:
            what = "no TLS connection" if isinstance(error, ssl.SSLError) else "no HTTP answer"
            return Unseen(f"{what}: {_sentence(error)}", fault_of(error))

    async def _answer(
        self, origin: _Origin, method: str, target: str, headers: Mapping[str, str], limit: int
    ) -> Answer:
        """Once more on a new connection where a kept one had ended meanwhile (RFC 9112, section 9.3.1)."""
        at = self._at.setdefault(origin.address, _At(asyncio.Semaphore(self._connections)))
        async with self._turns.setdefault(origin, asyncio.Semaphore(self._each)), at.turns:
            fresh = False
            while True:
                kept, fresh = await self._connection(at, origin, fresh=fresh)
                try:
                    async with self._used(at, origin, kept) as connection:
                        return await connection.exchange(
                            method, target, headers, limit=limit, deadline=self._deadline()
                        )
                except (Closed, ConnectionResetError, BrokenPipeError, ssl.SSLError):
                    if fresh:
                        raise
                    fresh = True

    async def _connection(self, at: _At, origin: _Origin, *, fresh: bool) -> tuple[_Kept, bool]:
        """A kept one unless it has to be `fresh`, else a new one; and whether it is new.

        Who has a connection to the address waits for no further place there, but for one of its own: so many scans of
        one address cannot hold all places and wait for each other.
        """
        while True:
            if not fresh and (idle := at.idle.get(origin)):
                return idle.pop(), False
            alone = not at.open
            try:
                return await self._opened(at, origin), True
            except NoPlace:
                if alone:
                    raise
            if spare := next((one for one in at.idle.values() if one), None):
                await _close(at, spare.pop(0))
            elif at.open:
                at.returned.clear()
                async with asyncio.timeout(max(self.remaining, 0.001)):
                    await at.returned.wait()

    def _deadline(self) -> float:
        return min(asyncio.get_running_loop().time() + REQUEST_TIMEOUT, self._end)

    @asynccontextmanager
    async def _used(self, at: _At, origin: _Origin, kept: _Kept) -> AsyncIterator[Connection]:
        """Kept afterwards where it can be used again, else closed."""
        try:
            yield kept.connection
        except BaseException:
            await _close(at, kept)
            raise
        finally:
            at.returned.set()
        if kept.connection.reusable and self.remaining > 0 and not at.waiting:
            at.idle.setdefault(origin, []).append(kept)
        else:
            await _close(at, kept)

    async def _opened(self, at: _At, origin: _Origin) -> _Kept:
        while at.open >= self._connections and (idle := next((one for one in at.idle.values() if one), None)):
            await _close(at, idle.pop(0))
        at.open += 1
        stack = AsyncExitStack()
        tls = origin.host if origin.scheme == "https" else None
        timeout = max(min(CONNECT_TIMEOUT, self.remaining), 0.001)
        waiting = at.open == 1
        at.waiting = at.waiting or waiting
        try:
            connecting = self._network.connect(origin.address, origin.port, timeout=timeout, tls=tls, waiting=waiting)
            return _Kept(Connection(await stack.enter_async_context(connecting)), stack)
        except BaseException as error:
            at.open -= 1
            if not at.open or not isinstance(error, NoPlace):
                at.returned.set()
            if isinstance(error, TimeoutError) and not isinstance(error, HandshakeTimeout):
                raise _NotConnected(NO_ANSWER_TO_CONNECT) from None
            if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
                raise OSError(error.errno, f"no connection: {_sentence(error)}") from None
            raise
        finally:
            if waiting:
                at.waiting = False


class _NotConnected(Exception):
    """No connection within the time that connecting may take."""


async def _close(at: _At, kept: _Kept) -> None:
    at.open -= 1
    try:
        await kept.stack.aclose()
    finally:
        at.returned.set()  # only now is its place free


def _origin(url: str, address: str) -> _Origin:
    """ValueError where a target's address is not one of the web."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{parts.scheme}: is not asked for")
    return _Origin(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], address)


def _response(url: str, address: str, answer: Answer) -> Response:
    headers = tuple(
        (name, _COOKIE.sub(_without_value, value) if name == "set-cookie" else value) for name, value in answer.headers
    )
    return Response(url, address, answer.status, headers)


def _without_value(cookie: re.Match[str]) -> str:
    """A cookie's value is nobody's business, and may be a session."""
    return f"{cookie[1] or ''}{'...' if cookie[2].strip() else ''}"


def _sentence(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
