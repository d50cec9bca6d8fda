"""How many connections one address may see at once, and all of them together, over all scans of the process."""

import asyncio
import errno
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

PATIENCE = 12.0  # seconds. What answers gives its place back within one, what hangs within five: see the timeouts

_TOTAL_PATIENCE = 30.0  # other scans give theirs back; it is no fault of the target's


class NoPlace(OSError):
    """As many connections to the address as it may see are open, and none ended in time: the target's doing."""

    def __init__(self) -> None:
        super().__init__("it is so slow that the connections open to it did not end in time")


def _descriptors() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65_536 if limit == resource.RLIM_INFINITY else limit


def _no_descriptor() -> OSError:
    """Our own doing, as when the kernel says so."""
    return OSError(errno.EMFILE, "this scanner has as many connections open as it may")


class Places:
    """Counted places with a fair queue; several can be taken at once without two takers blocking each other.

    `within`: more places, of which each of these takes one as well. `lacking`: what is raised when none becomes free.
    """

    def __init__(
        self,
        count: int,
        patience: float = PATIENCE,
        *,
        within: "Places | None" = None,
        lacking: Callable[[], OSError] = NoPlace,
    ) -> None:
        self._count = count
        self._patience = patience
        self._within = within
        self._lacking = lacking
        self._free = asyncio.Semaphore(count)
        self._turn = asyncio.Lock()
        self._queue = 0  # how many wait for their turn; a lock between two turns does not tell

    @asynccontextmanager
    async def hold(self, wanted: int = 1, *, waiting: bool = True) -> AsyncIterator[None]:
        """OSError (NoPlace) when they do not become free in time; NoPlace at once where there is to be no `waiting`."""
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
                raise self._lacking() from None
            finally:
                self._queue -= 1
            async with self._within.hold(taken, waiting=waiting) if self._within else nullcontext():
                yield
        finally:
            for _ in range(taken):
                self._free.release()


class Host:
    """The places at one address, and the ports that answered there or are being tried."""

    def __init__(self, established: int, unanswered: int, total: Places) -> None:
        self.established = Places(established, within=total)
        self.unanswered = Places(unanswered, within=total)
        self.tried: set[int] = set()


class Hosts:
    """The places by address; an address that nobody uses is forgotten.

    In all no more than `total`, by default three quarters of the descriptors that the process may have.
    """

    def __init__(self, established: int, unanswered: int, total: int | None = None) -> None:
        together = Places(total or _descriptors() * 3 // 4, _TOTAL_PATIENCE, lacking=_no_descriptor)
        self._limits = (established, unanswered, together)
        self._hosts: WeakValueDictionary[str, Host] = WeakValueDictionary()

    def at(self, address: str) -> Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = Host(*self._limits)
        return host
