"""Many attempts to connect to one address at once, for little: one selector for all, and no task a port."""

import asyncio
import errno
import os
import selectors
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Literal

PortState = Literal["open", "closed", "filtered"]

# What tells that we cannot get out of here when it comes from our own kernel, before any packet left.
_NO_WAY_OUT = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EMFILE, errno.ENFILE})


async def sweep(
    open_socket: Callable[[], socket.socket],
    where: Callable[[int], tuple[str, int]],
    ports: Iterable[int],
    *,
    window: int,
    timeout: float,
) -> dict[int, PortState]:
    """The state of each of `ports` of one address, of which at most `window` are being tried at a time.

    "closed" is a refusal (RST); "filtered" is silence for `timeout` seconds, or a router's "unreachable". OSError where
    this machine has no way there at all.
    """
    attempt = _Sweep(open_socket, where, timeout)
    loop = asyncio.get_running_loop()
    loop.add_reader(attempt.fileno(), attempt.stirred.set)
    try:
        waiting = iter(ports)
        exhausted = False
        while True:
            while not exhausted and len(attempt.pending) < window:
                port = next(waiting, None)
                exhausted = port is None
                if port is not None:
                    attempt.begin(port)
            if not attempt.pending:
                return attempt.states
            await attempt.settle()
    finally:
        loop.remove_reader(attempt.fileno())
        attempt.close()


class _Sweep:
    def __init__(
        self, open_socket: Callable[[], socket.socket], where: Callable[[int], tuple[str, int]], timeout: float
    ) -> None:
        self.states: dict[int, PortState] = {}
        self.pending: OrderedDict[int, tuple[socket.socket, float]] = OrderedDict()  # by port, the oldest first
        self.stirred = asyncio.Event()
        self._open_socket = open_socket
        self._where = where
        self._timeout = timeout
        self._selector = selectors.DefaultSelector()
        self._clock = asyncio.get_running_loop().time

    def fileno(self) -> int:
        """Readable as soon as any of the attempts has come to something."""
        number: int = self._selector.fileno()  # epoll and kqueue have one; select alone has not
        return number

    def begin(self, port: int) -> None:
        sock = self._open_socket()
        error = sock.connect_ex(self._where(port))
        if error in (errno.EINPROGRESS, errno.EAGAIN):
            self.pending[port] = (sock, self._clock() + self._timeout)
            self._selector.register(sock, selectors.EVENT_WRITE, port)
            return
        sock.close()
        if error in _NO_WAY_OUT:
            raise OSError(error, os.strerror(error))
        self.states[port] = _state(error)

    async def settle(self) -> None:
        """Wait until at least one attempt has ended, by itself or by its age."""
        oldest = next(iter(self.pending.values()))[1]
        try:
            async with asyncio.timeout_at(oldest):
                await self.stirred.wait()
        except TimeoutError:
            pass
        self.stirred.clear()
        for key, _ in self._selector.select(0):
            sock, _ = self.pending[key.data]
            self._end(key.data, _state(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        now = self._clock()
        while self.pending:
            port, (_, deadline) = next(iter(self.pending.items()))
            if deadline > now:
                return
            self._end(port, "filtered")

    def close(self) -> None:
        for sock, _ in self.pending.values():
            sock.close()
        self._selector.close()

    def _end(self, port: int, state: PortState) -> None:
        sock, _ = self.pending.pop(port)
        self._selector.unregister(sock)
        sock.close()
        self.states[port] = state


def _state(error: int) -> PortState:
    """ECONNRESET: refused by a middlebox in its own way."""
    if error == 0:
        return "open"
    return "closed" if error in (errno.ECONNREFUSED, errno.ECONNRESET) else "filtered"
