"""DNS questions: to the configured recursive resolvers, and to one name server directly."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiodns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import pycares

from services.scanner.engine.dns_queries import PAYLOAD, Resolvers
from services.scanner.engine.evidence.base import Unseen

_ATTEMPT = 1.5  # seconds for the first attempt, until c-ares has learned how fast the resolver answers
_ATTEMPTS = 6  # c-ares waits as little as 0.25 s after quick answers, then twice as long each time: 15.75 s in all
_RECEIVE_BUFFER = 1 << 20  # bytes: a hundred answers may come at once while the process is busy
LIFETIME = 5.0  # seconds for a question over all attempts
_MAX_ALIASES = 16
_UNREACHED = frozenset({pycares.errno.ARES_ETIMEOUT, pycares.errno.ARES_ECONNREFUSED, pycares.errno.ARES_ECANCELLED})
_UNWILLING = frozenset({pycares.errno.ARES_EREFUSED, pycares.errno.ARES_ENOTIMP})
_ARES_TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"})


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record in presentation form: MX "10 mail.example.com.", TXT with strings joined, '0 issue "ca"'."""

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


class RecursiveClient:
    """One scan's questions to the recursive resolvers at `servers` ("address:port"; empty: the system's).

    A scan has its own: c-ares caches answers for their TTL, and the next scan must not be told what this one saw.
    Within a scan each question is put once, however many probes have it: whoever comes later waits for, or is given,
    the same answer. `in_flight` is shared by the process: beyond about a hundred open questions c-ares reports timeouts
    that are none. `lifetime`: seconds for a question over all attempts.
    """

    def __init__(self, servers: Sequence[str], in_flight: asyncio.Semaphore, lifetime: float = LIFETIME) -> None:
        self._lifetime = lifetime
        self._servers = tuple(servers)
        self._in_flight = in_flight
        self._ares = aiodns.DNSResolver(
            nameservers=list(servers) or None,
            timeout=_ATTEMPT,
            tries=_ATTEMPTS,
            socket_receive_buffer_size=_RECEIVE_BUFFER,
        )
        self._raw: Resolvers | None = None
        self._asked: dict[tuple[str, str, bool], asyncio.Task[Any]] = {}
        self._answered = False

    async def close(self) -> None:
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._raw is not None:
            self._raw.close()
        await self._ares.close()

    async def resolve(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        """Unseen: the zone is broken or its servers are silent (target), or no resolver answers anything (source)."""
        key = (name.rstrip(".").lower(), record_type, False)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._resolve(name, record_type))
        answer: DnsAnswer | Unseen = await asyncio.shield(self._asked[key])
        return answer

    async def query(self, name: str, record_type: str) -> dns.message.Message | Unseen:
        """The whole answer with its signatures, unvalidated: DO and CD are set (RFC 4035 section 3.2.2)."""
        key = (name.rstrip(".").lower(), record_type, True)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._query(name, record_type))
        answer: dns.message.Message | Unseen = await asyncio.shield(self._asked[key])
        return answer

    async def _query(self, name: str, record_type: str) -> dns.message.Message | Unseen:
        try:
            message = dns.message.make_query(name, record_type, use_edns=0, want_dnssec=True, payload=PAYLOAD)
        except dns.exception.DNSException as error:
            return Unseen(f"{name[:80]} cannot be asked for: {type(error).__name__}", "target")
        message.flags |= dns.flags.CD
        async with self._in_flight:
            answer = await self._resolvers().ask(message)
        return await self._silence(name, record_type) if answer is None else answer

    async def _resolve(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        ask = self._ask_ares if record_type in _ARES_TYPES else self._ask_raw
        answer: DnsAnswer | Unseen | None = None
        async with self._in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lifetime):
                    answer = await ask(name, record_type)
        if answer is None:
            return await self._silence(name, record_type)
        self._answered = True
        return answer

    async def _silence(self, name: str, record_type: str) -> Unseen:
        answered = self._answered or (self._raw is not None and self._raw.answered)
        if answered or await self._alive():
            return Unseen(f"no answer for {record_type} of {name}: its name servers are silent", "target")
        return Unseen("the DNS resolver does not answer", "source")

    def _resolvers(self) -> Resolvers:
        if self._raw is None:
            self._raw = Resolvers([split_server(server) for server in self._servers] or _system_servers())
        return self._raw

    async def _alive(self) -> bool:
        """Whether a resolver answers anything: the root's NS is in every cache."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ATTEMPT):
                return await self._ask_ares(".", "NS") is not None
        return False

    async def _ask_ares(self, name: str, record_type: str) -> DnsAnswer | Unseen | None:
        """None: nobody answered."""
        try:
            result = await self._ares.query_dns(name, record_type)
        except aiodns.error.DNSError as error:
            code = error.args[0]
            if code == pycares.errno.ARES_ENOTFOUND:
                return DnsAnswer(name, record_type, "NXDOMAIN", ())
            if code == pycares.errno.ARES_ENODATA:
                return DnsAnswer(name, record_type, "NOERROR", ())
            if code in _UNREACHED:
                return None
            if code in _UNWILLING:
                return Unseen(f"the DNS resolver refuses to answer: {error.args[1]}", "source")
            return Unseen(f"{record_type} of {name} could not be resolved: {error.args[1]}", "target")
        wanted = getattr(pycares, f"QUERY_TYPE_{record_type}")
        aliases = tuple(
            _fqdn(record.data.cname) for record in result.answer if isinstance(record.data, pycares.CNAMERecordData)
        )
        records = tuple(
            Record(_fqdn(record.name), record_type, record.ttl, _PRESENT[record_type](record.data))
            for record in result.answer
            if record.type == wanted
        )
        return DnsAnswer(name, record_type, "NOERROR", records, () if record_type == "CNAME" else aliases)

    async def _ask_raw(self, name: str, record_type: str) -> DnsAnswer | Unseen | None:
        """For the types that aiodns lacks (DS, DNSKEY, TLSA, HTTPS, ...). None: nobody answered."""
        try:
            message = dns.message.make_query(name, record_type, use_edns=0, payload=PAYLOAD)
        except dns.exception.DNSException as error:
            return Unseen(f"{name[:80]} cannot be asked for: {type(error).__name__}", "target")
        answer = await self._resolvers().ask(message)
        if answer is None or isinstance(answer, Unseen):
            return answer
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            code = dns.rcode.to_text(answer.rcode())
            return Unseen(f"{record_type} of {name} could not be resolved: {code}", "target")
        return _presented(answer, name, record_type)


def _presented(answer: dns.message.Message, name: str, record_type: str) -> DnsAnswer:
    """The records at the end of the aliases; these are followed no further than the answer goes."""
    wanted = dns.rdatatype.from_text(record_type)
    at, aliases = dns.name.from_text(name), list[str]()
    for _ in range(_MAX_ALIASES):
        alias = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None or wanted == dns.rdatatype.CNAME:
            break
        at = alias[0].target
        aliases.append(str(at))
    found = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, wanted)
    rcode = dns.rcode.to_text(answer.rcode())
    records = tuple(Record(str(found.name), record_type, found.ttl, one.to_text()) for one in found) if found else ()
    return DnsAnswer(name, record_type, "NOERROR" if aliases or records else rcode, records, tuple(aliases))


def _system_servers() -> list[tuple[str, int]]:
    """From /etc/resolv.conf; 127.0.0.1 where that names none, as the system's own resolver does."""
    try:
        resolver = dns.resolver.Resolver()
    except (dns.exception.DNSException, OSError):
        return [("127.0.0.1", 53)]
    return [(str(server), resolver.port) for server in resolver.nameservers if isinstance(server, str)] or [
        ("127.0.0.1", 53)
    ]


class Channel(Protocol):
    """A TCP connection whose reads and writes have a deadline."""

    async def read_exactly(self, count: int, timeout: float) -> bytes: ...

    async def write(self, data: bytes, timeout: float) -> None: ...


async def exchange_udp(sock: socket.socket, query: dns.message.Message, timeout: float) -> dns.message.Message:
    """One question over a connected socket, sent twice at most. TimeoutError, OSError, DNSException."""
    loop = asyncio.get_running_loop()
    wire = query.to_wire()
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout / 2):
                await loop.sock_sendall(sock, wire)
                while True:
                    answer = dns.message.from_wire(await loop.sock_recv(sock, 65535), ignore_trailing=True)
                    if query.is_response(answer):
                        return answer
    raise TimeoutError


async def exchange_tcp(channel: Channel, query: dns.message.Message, timeout: float) -> dns.message.Message:
    """TimeoutError, OSError, EOFError, DNSException."""
    await channel.write(_framed(query), timeout)
    return dns.message.from_wire(await _frame(channel, timeout), ignore_trailing=True)


async def transfer(channel: Channel, zone: str, limit: int, timeout: float) -> AsyncIterator[str]:
    """AXFR (RFC 5936): record lines until the closing SOA, at most `limit`. OSError when refused."""
    query = dns.message.make_query(zone, dns.rdatatype.AXFR)
    await channel.write(_framed(query), timeout)
    count = endings = 0
    while endings < 2:
        answer = dns.message.from_wire(await _frame(channel, timeout), xfr=True, one_rr_per_rrset=True)
        if answer.id != query.id or answer.rcode() != dns.rcode.NOERROR or not answer.answer:
            raise OSError(f"transfer refused: {dns.rcode.to_text(answer.rcode())}")
        for rrset in answer.answer:
            endings += rrset.rdtype == dns.rdatatype.SOA
            yield rrset.to_text()
            count += 1
            if count >= limit or endings == 2:
                return


def split_server(server: str) -> tuple[str, int]:
    """`"127.0.0.1:5353"`, `"[::1]:53"` or a bare address -> (address, port). ValueError otherwise."""
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = server, "53"
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def _framed(query: dns.message.Message) -> bytes:
    wire = query.to_wire()
    return struct.pack("!H", len(wire)) + wire


async def _frame(channel: Channel, timeout: float) -> bytes:
    (length,) = struct.unpack("!H", await channel.read_exactly(2, timeout))
    return await channel.read_exactly(length, timeout)


def _fqdn(name: str) -> str:
    return name.rstrip(".") + "."


_PRESENT: dict[str, Callable[[Any], str]] = {
    "A": lambda data: data.addr,
    "AAAA": lambda data: data.addr,
    "CAA": lambda data: f'{data.critical} {data.tag} "{data.value}"',
    "CNAME": lambda data: _fqdn(data.cname),
    "MX": lambda data: f"{data.priority} {_fqdn(data.exchange)}",
    "NS": lambda data: _fqdn(data.nsdname),
    "PTR": lambda data: _fqdn(data.dname),
    "SOA": lambda data: (
        f"{_fqdn(data.mname)} {_fqdn(data.rname)} "
        f"{data.serial} {data.refresh} {data.retry} {data.expire} {data.minimum}"
    ),
    "SRV": lambda data: f"{data.priority} {data.weight} {data.port} {_fqdn(data.target)}",
    "TXT": lambda data: data.data.decode("utf-8", "replace"),
}
