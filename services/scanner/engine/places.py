"""How many connections one address may see at once, over all scans of the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

PATIENCE = 12.0  # seconds; a hanging server holds a place for about 4


class NoPlace(OSError):
    """As many connections to the address as it may see are open, and none ended in time."""

    def __init__(self, *, others: bool) -> None:
        super().__init__(
            "other scans of the address take all its connections"
            if others
            else "the connections that are open to the address did not end in time"
        )
        self.others = others  # whether other scans hold places there; if not, it is the target that is slow


class Places:
    """Counted places with a fair queue; several can be taken at once without two takers blocking each other."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def hold(self, wanted: int = 1) -> AsyncIterator[None]:
        taken = 0
        try:
            async with self._turn:
                while taken < min(wanted, self._count):
                    await self._free.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()


class Host:
    """The places at one address, and the ports that answered there or are being tried."""

    def __init__(self, established: int, unanswered: int) -> None:
        self._established = Places(established)
        self._unanswered = Places(unanswered)
        self.tried: set[int] = set()
        self.scans = 0  # that have come here and not ended

    @asynccontextmanager
    async def established(self, wanted: int = 1, patience: float = PATIENCE) -> AsyncIterator[None]:
        """Places for connections that are answered. NoPlace."""
        async with self._within(self._established, wanted, patience):
            yield

    @asynccontextmanager
    async def unanswered(self) -> AsyncIterator[None]:
        """A place for an attempt that nobody may answer. NoPlace."""
        async with self._within(self._unanswered, 1, PATIENCE):
            yield

    @asynccontextmanager
    async def _within(self, places: Places, wanted: int, patience: float) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(patience):
                    await held.enter_async_context(places.hold(wanted))
            except TimeoutError:
                raise NoPlace(others=self.scans > 1) from None
            yield


class Hosts:
    """The places by address; an address that nobody uses is forgotten."""

    def __init__(self, established: int, unanswered: int) -> None:
        self._limits = (established, unanswered)
        self._hosts: WeakValueDictionary[str, Host] = WeakValueDictionary()

    def at(self, address: str) -> Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = Host(*self._limits)
        return host
