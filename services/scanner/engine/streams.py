"""One connection's bytes, in clear or inside TLS: every read has a deadline and a bound.

Over bare sockets: a scan opens some two hundred connections that carry one question each, and asyncio's transports cost
more than that; those of TLS hold a quarter of a megabyte each besides.
"""

import asyncio
import socket
import ssl
import warnings
from functools import cache

_CHUNK = 16 * 1024
_LEGACY_SERVER_CONNECT = 0x4  # OpenSSL: with servers that lack RFC 5746; `ssl` names it from Python 3.12 on


class BudgetSpent(OSError):
    """The scan has received all the bytes it may."""


class ByteBudget:
    def __init__(self, limit: int) -> None:
        self._left = limit

    def spend(self, data: bytes) -> bytes:
        """`data` itself. BudgetSpent once more has come than the scan may receive."""
        self._left -= len(data)
        if self._left < 0:
            raise BudgetSpent("the scan's byte budget is spent")
        return data


class Stream:
    """A TCP connection over a connected, non-blocking socket."""

    def __init__(self, sock: socket.socket, budget: ByteBudget) -> None:
        self._sock = sock
        self._budget = budget
        self._loop = asyncio.get_running_loop()

    @property
    def local_address(self) -> str:
        """Of our end of the connection."""
        return str(self._sock.getsockname()[0])

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server sent, in DER, its own first; () where no TLS is spoken."""
        return ()

    async def read(self, limit: int, timeout: float) -> bytes:
        """At most `limit` bytes as they come; b"" at the end. TimeoutError, OSError."""
        async with asyncio.timeout(timeout):
            return await self._received(limit)

    async def read_exactly(self, count: int, timeout: float) -> bytes:
        """IncompleteReadError at an early end."""
        data = b""
        async with asyncio.timeout(timeout):
            while len(data) < count:
                more = await self._received(count - len(data))
                if not more:
                    raise asyncio.IncompleteReadError(data, count)
                data += more
        return data

    async def write(self, data: bytes, timeout: float) -> None:
        """TimeoutError, OSError."""
        async with asyncio.timeout(timeout):
            await self._send(data)

    async def start_tls(self, server_name: str, timeout: float, context: ssl.SSLContext | None = None) -> "Stream":
        """This connection from here on inside TLS; with no context, any server's whatever its certificate.

        Only as far as the local OpenSSL speaks it. ssl.SSLError, EOFError, TimeoutError, OSError.
        """
        stream = _TlsStream(self._sock, self._budget, context or _any_server(), server_name)
        await stream.shake_hands(timeout)
        return stream

    async def _received(self, limit: int) -> bytes:
        return self._budget.spend(await self._loop.sock_recv(self._sock, limit))

    async def _send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)


class _TlsStream(Stream):
    """TLS over such a connection. `shake_hands` first."""

    def __init__(self, sock: socket.socket, budget: ByteBudget, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(sock, budget)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def shake_hands(self, timeout: float) -> None:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    if not await self._fill():
                        raise EOFError("the connection was closed in mid-handshake") from None
                except ssl.SSLError:
                    await self._flush()  # the alert that says why
                    raise
                else:
                    return await self._flush()

    @property
    def chain(self) -> tuple[bytes, ...]:
        """`SSLObject.get_unverified_chain` is public from Python 3.13; the object inside has had it since 3.10."""
        public = getattr(self._tls, "get_unverified_chain", None)
        if public is not None:
            return tuple(public())
        inner = getattr(self._tls, "_sslobj", None)
        certificates = inner.get_unverified_chain() if inner is not None else None
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in certificates or ())

    async def _received(self, limit: int) -> bytes:
        while True:
            try:
                data = self._tls.read(limit)
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    return b""  # cut off without a word, as many servers do
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            else:
                return data

    async def _send(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await super()._send(self._outgoing.read())

    async def _fill(self) -> bool:
        data = await super()._received(_CHUNK)
        self._incoming.write(data)
        return bool(data)


@cache
def _any_server() -> ssl.SSLContext:
    """Speaks to any server: old protocols, weak suites, any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= _LEGACY_SERVER_CONNECT
    return context
