"""The connections of one probe to an address whose places are all taken: nobody waits for what cannot come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.places import NoPlace

ADDRESS = "192.0.2.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Answering:
    """A connection that gives one answer."""

    def __init__(self) -> None:
        self._left = ANSWER

    async def write(self, data: bytes, timeout: float) -> None:
        await asyncio.sleep(0)

    async def read(self, limit: int, timeout: float) -> bytes:
        await asyncio.sleep(0)
        given, self._left = self._left[:limit], self._left[limit:]
        return given


class OnePlace:
    """A network with one place at the address; the first to wait for it loses its connection when it has it."""

    user_agent = "test"

    def __init__(self) -> None:
        self._place = asyncio.Semaphore(1)
        self._attempts = 0

    @asynccontextmanager
    async def connect(self, address: str, port: int, *, waiting: bool, **options: object) -> AsyncIterator[Answering]:
        if not waiting and self._place.locked():
            raise NoPlace
        async with self._place:
            self._attempts += 1
            if self._attempts == 1:
                await asyncio.sleep(0.01)
                raise ConnectionResetError("gone")
            yield Answering()


async def test_who_waits_for_a_connection_that_fails_opens_one_itself() -> None:
    network = cast(Network, OnePlace())
    async with asyncio.timeout(10), Exchanges(network, seconds=60) as exchanges:
        urls = [f"http://{name}.example.com/" for name in ("a", "b", "c", "d")]
        first, *others = await asyncio.gather(*(exchanges.ask(ADDRESS, url) for url in urls))
    assert isinstance(first, Unseen)
    assert all(isinstance(one, Exchange) for one in others), others
