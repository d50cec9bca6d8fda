"""All that a probe may use to reach the world: DNS, connections and HTTP, within the scan's bounds."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

import aiohttp
import dns.message

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record in presentation form: MX "10 mail.example.com.", TXT with its strings joined, CAA '0 issue "ca"'."""

    name: str
    type: str
    ttl: int
    data: str


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """`rcode` is NOERROR or NXDOMAIN; NODATA is NOERROR without records. Aliases followed are in `cname`."""

    name: str
    type: str
    rcode: str
    records: tuple[Record, ...]
    cname: tuple[str, ...] = ()


class Stream:
    """One TCP connection; every read has a deadline and a bound."""

    async def read(self, limit: int, timeout: float) -> bytes:
        """At most `limit` bytes as they come; b"" at the end. TimeoutError, OSError."""
        raise NotImplementedError

    async def read_exactly(self, count: int, timeout: float) -> bytes:
        """IncompleteReadError at an early end."""
        raise NotImplementedError

    async def write(self, data: bytes, timeout: float) -> None:
        raise NotImplementedError


class Network:
    user_agent: str

    def now(self) -> datetime:
        """UTC."""
        raise NotImplementedError

    async def resolve(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        """Ask the configured recursive resolvers (aiodns; for types it lacks, dnspython). Retried once; in-flight capped."""
        raise NotImplementedError

    async def ask(self, address: str, query: dns.message.Message, *, tcp: bool = False, timeout: float = 3.0) -> dns.message.Message | Unseen:
        """Ask one name server directly (dnspython over a vetted socket; UDP, TCP on truncation)."""
        raise NotImplementedError

    def transfer(self, address: str, zone: str, *, limit: int = 100, timeout: float = 5.0) -> AsyncIterator[str]:
        """Attempt AXFR; yields record lines, at most `limit`. Raises dns.exception.DNSException or OSError when refused."""
        raise NotImplementedError

    def connect(self, address: str, port: int, *, timeout: float = 3.0) -> AbstractAsyncContextManager[Stream]:
        """A vetted connection within the host's places. ConnectionRefusedError, TimeoutError, OSError, egress.Refused."""
        raise NotImplementedError

    def http(self, host: str, address: str, *, connections: int = 4) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        """A session pinned to `address` with `Host` and SNI of `host`, holding `connections` of the host's places.

        No redirects followed, no cookies kept, no proxies, no automatic decompression, certificates not verified
        (trust is the TLS probe's business). Request with full URLs: "https://www.example.com/path".
        """
        raise NotImplementedError

    async def body(self, response: aiohttp.ClientResponse, limit: int = 2 * 1024 * 1024) -> bytes:
        """At most `limit` bytes after gzip, deflate or brotli decoding, bounded while decoding; counted against the scan's 32 MiB."""
        raise NotImplementedError
