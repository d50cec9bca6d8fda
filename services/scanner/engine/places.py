"""How many connections one address may see at once, over all scans of the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

PATIENCE = 12.0  # seconds. What answers gives its place back within one, what hangs within five: see the timeouts


class NoPlace(OSError):
    """As many connections to the address as it may see are open, and none ended in time: the target's doing."""

    def __init__(self) -> None:
        super().__init__("it is so slow that the connections open to it did not end in time")


class Places:
    """Counted places with a fair queue; several can be taken at once without two takers blocking each other."""

    def __init__(self, count: int, patience: float = PATIENCE) -> None:
        self._count = count
        self._patience = patience
        self._free = asyncio.Semaphore(count)
        self._turn = asyncio.Lock()
        self._queue = 0  # how many wait for their turn; a lock between two turns does not tell

    @asynccontextmanager
    async def hold(self, wanted: int = 1, *, waiting: bool = True) -> AsyncIterator[None]:
        """NoPlace when they do not become free in time; at once where there is to be no `waiting`."""
        if not waiting and (self._queue or self._free.locked()):
            raise NoPlace
        taken = 0
        try:
            self._queue += 1
            try:
                async with asyncio.timeout(self._patience), self._turn:
                    while taken < min(wanted, self._count):
                        await self._free.acquire()
                        taken += 1
            except TimeoutError:
                raise NoPlace from None
            finally:
                self._queue -= 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()


class Host:
    """The places at one address, and the ports that answered there or are being tried."""

    def __init__(self, established: int, unanswered: int) -> None:
        self.established = Places(established)
        self.unanswered = Places(unanswered)
        self.tried: set[int] = set()


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
