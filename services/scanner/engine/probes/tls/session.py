"""A finished TLS session over a vetted stream: what a hello alone does not show."""

import asyncio
import ssl

from services.scanner.engine.network import Stream

_CHUNK = 16384


class TlsSession:
    """Trust is judged elsewhere, so any certificate, old version and weak suite is taken."""

    def __init__(self, stream: Stream, server_name: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self, timeout: float) -> None:
        """ssl.SSLError, TimeoutError, OSError, EOFError."""
        async with asyncio.timeout(timeout):
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush(timeout)
                    await self._fill(timeout)
                else:
                    return await self._flush(timeout)

    async def write(self, data: bytes, timeout: float) -> None:
        self._tls.write(data)
        await self._flush(timeout)

    async def read(self, limit: int, timeout: float) -> bytes:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    return self._tls.read(limit)
                except ssl.SSLWantReadError:
                    await self._fill(timeout)
                except ssl.SSLZeroReturnError:
                    return b""

    def chain(self) -> tuple[bytes, ...]:
        """The certificates as sent, in DER.

        `SSLObject.get_unverified_chain` is public from Python 3.13; the object inside has had it since 3.10.
        """
        public = getattr(self._tls, "get_unverified_chain", None)
        if public is not None:
            return tuple(public())
        inner = getattr(self._tls, "_sslobj", None)
        certificates = inner.get_unverified_chain() if inner is not None else None
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in certificates or ())

    async def _flush(self, timeout: float) -> None:
        if self._outgoing.pending:
            await self._stream.write(self._outgoing.read(), timeout)

    async def _fill(self, timeout: float) -> None:
        data = await self._stream.read(_CHUNK, timeout)
        if not data:
            raise EOFError("the connection was closed in mid-handshake")
        self._incoming.write(data)
