"""The one door to addresses that a user chose: resolve, drop what is not public, connect to the very address vetted."""

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import aiohttp.abc

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str], Awaitable[Iterable[str]]]  # name -> its addresses, OSError when it has none

_SPECIAL_USE = ("localhost", "local", "internal", "onion", "invalid", "arpa")  # RFC 6761, 6762, 7686, 8375, 9476


def _networks(*cidrs: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(cidr) for cidr in cidrs)


# IANA's special-purpose registries; 168.63.129.16 is Azure's host behind a public address.
_REFUSED_IPV4 = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
)  # fmt: skip
# IPv6 is refused by default: mapped, translated, tunnelled, local and unallocated space needs no list of its own.
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6 = _networks("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
# Where clouds hand out credentials. No allow-list opens these.
_METADATA = _networks(
    "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32",
    "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128",
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """This address is not to be contacted."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} is not contacted: {reason}")
        self.address = address
        self.reason = reason


def special_use(name: str) -> bool:
    """Whether `name` can never be a public host: RFC 6761 names and their kin. `test` and `example` are taken."""
    return name.rstrip(".").lower().rpartition(".")[2] in _SPECIAL_USE


def own_addresses() -> frozenset[IPAddress]:
    """The addresses of this machine's interfaces, which may be public; Linux only, empty elsewhere."""
    found: set[IPAddress] = set()
    with contextlib.suppress(OSError):
        tree = Path("/proc/net/fib_trie").read_text()
        found.update(ipaddress.IPv4Address(a) for a in re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", tree))
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
        found.update(ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines)
    return frozenset(found)


def dns_resolver(servers: Iterable[str]) -> Resolver:
    """Asks the recursive resolvers at `servers` ("address:port"); the machine's own where there are none."""
    nameservers = list(servers)
    if not nameservers:
        return system_resolver

    async def resolve(name: str) -> tuple[str, ...]:
        import aiodns

        client = aiodns.DNSResolver(nameservers=nameservers, timeout=2.5, tries=2)
        try:
            answers = await asyncio.gather(
                *(client.query_dns(name, kind) for kind in ("A", "AAAA")), return_exceptions=True
            )
        finally:
            await client.close()
        records = [record for answer in answers if not isinstance(answer, BaseException) for record in answer.answer]
        return tuple(record.data.addr for record in records if hasattr(record.data, "addr"))

    return resolve


async def system_resolver(name: str) -> tuple[str, ...]:
    """The addresses that the machine's own resolver gives."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True, slots=True)
class Pin:
    """A session that speaks to one address under one name, whatever its URLs say."""

    host: str
    address: str


class Egress:
    """Decides which addresses may be contacted, and opens the sockets.

    `allow` opens what the rules refuse (never metadata services); `deny` closes, and wins over `allow`.
    """

    def __init__(
        self,
        *,
        allow: Iterable[IPNetwork] = (),
        deny: Iterable[IPNetwork] = (),
        resolver: Resolver = system_resolver,
        port_map: Mapping[int, int] = MappingProxyType({}),
        own: Iterable[IPAddress] = (),
    ) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._own = frozenset(own)
        self._resolver = resolver
        self._port_map = port_map

    def port(self, number: int) -> int:
        """The port to connect to where `number` is named: itself, but in a lab that has no privileges."""
        return self._port_map.get(number, number)

    def vet(self, address: str) -> None:
        """Refused unless the literal address may be contacted."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            raise Refused(address, "it is no IP address") from None
        reason = self._objection(ip)
        if reason:
            raise Refused(address, reason)

    def _objection(self, ip: IPAddress) -> str | None:
        if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id:
            return "it names an interface"
        if any(_in(candidate, _METADATA) for candidate in (ip, *_embedded(ip))):
            return "it belongs to a cloud's metadata service"
        if _in(ip, self._deny):
            return "the operator denies it"
        if _in(ip, self._allow):
            return None
        if ip in self._own:
            return "it is an address of this machine"
        if isinstance(ip, ipaddress.IPv4Address):
            return "it is not public" if _in(ip, _REFUSED_IPV4) else None
        return None if ip in _GLOBAL_IPV6 and not _in(ip, _REFUSED_IPV6) else "it is not public"

    async def resolve(self, host: str) -> tuple[str, ...]:
        """The addresses of `host` that may be contacted. Refused when it has none such; OSError when it has none."""
        if special_use(host):
            raise Refused(host, "names of this kind are not public")
        try:
            addresses: tuple[str, ...] = (str(ipaddress.ip_address(host.strip("[]"))),)
        except ValueError:
            addresses = tuple(await self._resolver(host))
        refusals: list[Refused] = []
        vetted = []
        for address in addresses:
            try:
                self.vet(address)
                vetted.append(address)
            except Refused as refused:
                refusals.append(refused)
        if not vetted:
            if refusals:
                raise refusals[0]
            raise OSError(f"{host} has no address")
        return tuple(vetted)

    def open(self, address: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A non-blocking socket of the family of the vetted `address`, not connected yet."""
        self.vet(address)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        return sock

    async def connect(
        self, address: str, port: int, timeout: float, *, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket:
        """A connected, non-blocking socket. Refused, ConnectionRefusedError, TimeoutError, OSError."""
        sock = self.open(address, kind)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(sock, (address, self.port(port)))
            self._confirm(sock.getpeername(), address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _confirm(self, peer: tuple[Any, ...], address: str) -> None:
        """The kernel says whom the socket reached; nothing between vetting and connecting may have changed it."""
        if ipaddress.ip_address(peer[0]) != ipaddress.ip_address(address):
            raise Refused(str(peer[0]), f"{address} was vetted")

    def socket_factory(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """For aiohttp, whose resolver is skipped for IP literals: vets the literal address, then opens the socket."""
        return self.open(str(info[4][0]), info[1])

    def session(
        self,
        *,
        pin: Pin | None = None,
        connections: int = 10,
        timeout: aiohttp.ClientTimeout | None = None,
        context: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        reuse: bool = True,
    ) -> aiohttp.ClientSession:
        """A client whose every connection is resolved, vetted and opened here; with `pin`, to that address alone.

        No proxies, no cookies, no DNS cache, no automatic decompression. Pass `allow_redirects=False`, or each hop
        is vetted anew. `reuse=False`: a connection of its own, resolved anew, for each request.
        """
        connector = _VettedConnector(
            self,
            resolver=_VettedResolver(self, pin),
            socket_factory=self.socket_factory,
            use_dns_cache=False,
            limit=connections,
            happy_eyeballs_delay=None,
            force_close=not reuse,
            **({"ssl": context} if context else {}),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=timeout or aiohttp.ClientTimeout(total=30, sock_connect=5, sock_read=10),
            headers=headers,
            max_line_size=16 * 1024,
            max_field_size=64 * 1024,
        )


class _VettedConnector(aiohttp.TCPConnector):
    def __init__(self, egress: Egress, **options: Any) -> None:
        super().__init__(**options)
        self._egress = egress

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        peer = connection.transport and connection.transport.get_extra_info("peername")
        try:
            if peer:
                self._egress.vet(str(peer[0]))
        except Refused:
            connection.close()
            raise
        return connection


class _VettedResolver(aiohttp.abc.AbstractResolver):
    def __init__(self, egress: Egress, pin: Pin | None) -> None:
        self._egress = egress
        self._pin = pin

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        if self._pin:
            if host.rstrip(".").lower() != self._pin.host:
                raise OSError(f"this session speaks to {self._pin.host} alone, not to {host}")
            addresses: Iterable[str] = (self._pin.address,)
        else:
            addresses = await self._egress.resolve(host)
        return [
            {
                "hostname": host,
                "host": address,
                "port": self._egress.port(port),
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        """Holds nothing."""


def _in(ip: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _embedded(ip: IPAddress) -> tuple[IPAddress, ...]:
    """The IPv4 addresses that an IPv6 address may be translated to (mapped, 6to4, NAT64)."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    candidates = (ip.ipv4_mapped, ip.sixtofour, ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
    return tuple(candidate for candidate in candidates if candidate is not None)
