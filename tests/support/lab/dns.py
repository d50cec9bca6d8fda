"""A recursive resolver for all zones of a lab, and each zone's own name servers, over UDP and TCP."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

from tests.support.lab.closing import Listener
from tests.support.lab.signing import Signer, Signing

TTL = 0  # so that no resolver keeps an answer when a site changes
MAX_ALIASES = 8
RECEIVE_BUFFER = 1 << 20  # bytes: a scan asks two hundred questions at once, and more scan at once
MAX_UDP = 1232


@dataclass(frozen=True, slots=True)
class NameServerSpec:
    """One name server of a zone. `network` is the half of the lab's addresses that it lives in.

    A "reserved" one answers resolvers alone: of those who ask it themselves it takes no notice.
    """

    network: Literal[0, 1] = 0
    behaviour: Literal["authoritative", "reserved", "lame", "silent", "garbage", "absent"] = "authoritative"
    transfer: bool = False
    recursive: bool = False
    version: str | None = None
    serial: int = 2026112401


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """A zone's records but SOA and NS. `$web` and `$mail` in the data stand for the site's addresses."""

    records: tuple[tuple[str, str, str], ...]  # owner relative to the zone ("@", "www"), type, presentation form
    nameservers: tuple[NameServerSpec, ...] = (NameServerSpec(network=0), NameServerSpec(network=1))
    servfail: tuple[str, ...] = ()  # owners for which the resolver answers SERVFAIL
    unanswered: tuple[str, ...] = ()  # owners for which the resolver says nothing
    signing: Signing | None = None
    delegated: tuple[str, ...] | None = None  # the name servers that the zone above names; None: those that there are
    timers: str = "7200 3600 1209600 300"  # of the SOA
    glue: str | None = None  # the address that it gives all of them; None: their own

    def set(self, owner: str, record_type: str, *data: str) -> Self:
        """The zone with these records in the place of all of that owner and type; without data, without them."""
        kept = tuple(record for record in self.records if record[:2] != (owner, record_type))
        return replace(self, records=(*kept, *((owner, record_type, text) for text in data)))


TOP = ZoneSpec(records=(), signing=Signing())  # the domain that all sites are in
FOREIGN = ZoneSpec(records=(("@", "A", "192.0.2.1"),))  # somebody else's: what an open resolver looks up


def text(value: str) -> str:
    """A TXT record's presentation form: quoted strings of 255 octets at most."""
    chunks = [value[start : start + 255] for start in range(0, len(value), 255)] or [""]
    return " ".join('"' + chunk.replace("\\", "\\\\").replace('"', '\\"') + '"' for chunk in chunks)


class Zone:
    """One served zone: its data and the fate of its name servers."""

    def __init__(self, name: str, spec: ZoneSpec, addresses: dict[str, str], nameservers: tuple[str, ...]) -> None:
        self.origin = dns.name.from_text(name)
        self.spec = spec
        self._servfail = {dns.name.from_text(owner, self.origin) for owner in spec.servfail}
        self._unanswered = {dns.name.from_text(owner, self.origin) for owner in spec.unanswered}
        lines = [f"@ {TTL} IN SOA ns1 hostmaster 1 {spec.timers}"]
        for number, address in enumerate(nameservers, 1):
            lines += [f"@ {TTL} IN NS ns{number}", f"ns{number} {TTL} IN A {address}"]
        for owner, record_type, data in spec.records:
            for role, address in addresses.items():
                data = data.replace(f"${role}", address)
            lines.append(f"{owner} {TTL} IN {record_type} {text(data) if record_type == 'TXT' else data}")
        self.data = dns.zone.from_text("\n".join(lines), self.origin, relativize=False)
        self.signer = Signer(self.origin, spec.signing) if spec.signing else None
        if self.signer is not None:
            for rrset in (self.signer.keys() if self.signer.spec.serves_keys else None, self.signer.parameters()):
                if rrset is not None:
                    self.data.replace_rdataset(self.origin, rrset.to_rdataset())

    def fate(self, name: dns.name.Name) -> Literal["answered", "servfail", "unanswered"]:
        """What the recursive resolver makes of a question for `name`."""
        if name in self._unanswered:
            return "unanswered"
        alive = any(server.behaviour in ("authoritative", "reserved") for server in self.spec.nameservers)
        return "servfail" if name in self._servfail or not alive else "answered"

    def rrset(
        self, name: dns.name.Name, record_type: dns.rdatatype.RdataType, serial: int | None = None
    ) -> dns.rrset.RRset | None:
        _, node = self._node(name)
        found = node.get_rdataset(dns.rdataclass.IN, record_type) if node else None
        if found is None:
            return None
        rrset = dns.rrset.from_rdata_list(name, TTL, list(found))
        if record_type == dns.rdatatype.SOA:
            rrset = dns.rrset.from_rdata(name, TTL, found[0].replace(serial=serial or self.spec.nameservers[0].serial))
        return rrset

    def soa(self, serial: int | None = None) -> dns.rrset.RRset:
        rrset = self.rrset(self.origin, dns.rdatatype.SOA, serial)
        assert rrset is not None
        return rrset

    def exists(self, name: dns.name.Name) -> bool:
        return self._node(name)[1] is not None or self._made(name)

    def source(self, name: dns.name.Name) -> dns.name.Name:
        """The owner of what is given for the name: itself, or a wildcard."""
        return self._node(name)[0]

    def types(self) -> dict[dns.name.Name, frozenset[int]]:
        """What there is at each name."""
        return {
            dns.name.Name(name.labels): frozenset(int(one.rdtype) for one in node)
            for name, node in self.data.nodes.items()
        }

    def _node(self, name: dns.name.Name) -> tuple[dns.name.Name, dns.node.Node | None]:
        if self._made(name):
            return name, self.data.get_node(name)
        encloser = name
        while encloser != self.origin:  # RFC 4592 section 3.3.1: the wildcard at the closest encloser
            encloser = encloser.parent()
            if self._made(encloser):
                wildcard = dns.name.Name((b"*", *encloser.labels))
                found = self.data.get_node(wildcard)
                return (name if found is None else wildcard), found
        return name, None

    def _made(self, name: dns.name.Name) -> bool:
        """It is in the zone, or stands above a name that is."""
        return any(owner.is_subdomain(name) for owner in self.data.nodes)


Responder = Callable[[dns.message.Message, bool], Iterable[bytes]]  # (query, over TCP) -> whole messages


class Resolver:
    """Answers for all zones of the lab, as a recursive resolver would; any other name does not exist."""

    def __init__(self) -> None:
        self.zones: dict[dns.name.Name, Zone] = {}
        self.dnssec: Literal["passed", "stripped", "refused"] = "passed"  # what becomes of signatures asked for

    def children(self, zone: Zone) -> list[Zone]:
        """The zones that it delegates."""
        return [
            other for other in self.zones.values() if other is not zone and self.zone_of(other.origin.parent()) is zone
        ]

    def zone_of(self, name: dns.name.Name) -> Zone | None:
        while name != dns.name.root:
            if name in self.zones:
                return self.zones[name]
            name = name.parent()
        return None

    def __call__(self, query: dns.message.Message, over_tcp: bool) -> Iterable[bytes]:
        response = dns.message.make_response(query, recursion_available=True)
        name, record_type = query.question[0].name, query.question[0].rdtype
        signed = bool(query.ednsflags & dns.flags.DO) and self.dnssec == "passed"
        if query.ednsflags & dns.flags.DO and self.dnssec == "refused":
            response.set_rcode(dns.rcode.SERVFAIL)
            return [wire(response, query, over_tcp)]
        for _ in range(MAX_ALIASES):
            zone = self.zone_of(name.parent() if record_type == dns.rdatatype.DS and name in self.zones else name)
            if zone is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            fate = zone.fate(name)
            if fate == "unanswered":
                return []
            if fate == "servfail":
                response.set_rcode(dns.rcode.SERVFAIL)
                break
            alias = None if record_type == dns.rdatatype.CNAME else zone.rrset(name, dns.rdatatype.CNAME)
            if alias is None:
                fill(response, zone, name, record_type, delegated=self.children(zone), signed=signed)
                break
            add(response.answer, response.authority, zone, alias, self.children(zone) if signed else None)
            name = alias[0].target
        return [wire(response, query, over_tcp)]


class NameServer:
    """Answers for one zone only, the way its `NameServerSpec` says."""

    def __init__(self, zone: Zone, spec: NameServerSpec, resolver: Resolver) -> None:
        self._zone, self._spec, self._resolver = zone, spec, resolver

    def __call__(self, query: dns.message.Message, over_tcp: bool) -> Iterable[bytes]:
        if self._spec.behaviour in ("silent", "reserved"):
            return []
        if self._spec.behaviour == "garbage":
            return [struct.pack("!H", query.id) + b"\x81\x80\xff\xff not a message"]
        response = dns.message.make_response(query, recursion_available=self._spec.recursive)
        question = query.question[0]
        if question.rdclass == dns.rdataclass.CH:
            self._describe(response)
        elif not question.name.is_subdomain(self._zone.origin) and self._spec.recursive:
            return self._resolver(query, over_tcp)
        elif self._spec.behaviour == "lame" or not question.name.is_subdomain(self._zone.origin):
            response.set_rcode(dns.rcode.REFUSED)
        elif question.rdtype == dns.rdatatype.AXFR:
            self._transfer(response)
        elif (child := self._child(question.name, question.rdtype)) is not None:
            refer(response, child)
        else:
            response.flags |= dns.flags.AA
            alias = self._zone.rrset(question.name, dns.rdatatype.CNAME)
            if alias is not None and question.rdtype != dns.rdatatype.CNAME:
                response.answer.append(alias)
            else:
                signed = bool(query.ednsflags & dns.flags.DO)
                delegated = self._resolver.children(self._zone)
                fill(response, self._zone, question.name, question.rdtype, self._spec.serial, delegated, signed=signed)
        return [wire(response, query, over_tcp)]

    def _child(self, name: dns.name.Name, record_type: dns.rdatatype.RdataType) -> Zone | None:
        """The delegated zone that the question belongs to."""
        children = (child for child in self._resolver.children(self._zone) if name.is_subdomain(child.origin))
        return next((child for child in children if record_type != dns.rdatatype.DS or name != child.origin), None)

    def _describe(self, response: dns.message.Message) -> None:
        name = response.question[0].name
        if self._spec.version and name == dns.name.from_text("version.bind"):
            response.answer.append(dns.rrset.from_text(name, 0, "CH", "TXT", text(self._spec.version)))
        else:
            response.set_rcode(dns.rcode.REFUSED)

    def _transfer(self, response: dns.message.Message) -> None:
        if not self._spec.transfer:
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        begin, end = (self._zone.soa(self._spec.serial) for _ in range(2))
        rest = [
            dns.rrset.from_rdata_list(name, TTL, list(rdataset))
            for name, rdataset in self._zone.data.iterate_rdatasets()
            if rdataset.rdtype != dns.rdatatype.SOA
        ]
        response.answer += [begin, *rest, end]


def fill(
    response: dns.message.Message,
    zone: Zone,
    name: dns.name.Name,
    record_type: dns.rdatatype.RdataType,
    serial: int | None = None,
    delegated: Iterable[Zone] = (),
    *,
    signed: bool = False,
) -> None:
    """Answer, or NODATA, or NXDOMAIN, with the SOA in the authority section (RFC 2308), and what proves it."""
    children = tuple(delegated)
    proving = children if signed else None
    child = next((one for one in children if one.origin == name), None)
    found = _delegation(child) if child and record_type == dns.rdatatype.DS else zone.rrset(name, record_type, serial)
    if found is not None:
        add(response.answer, response.authority, zone, found, proving)
        return
    add(response.authority, response.authority, zone, zone.soa(serial), proving)
    if child is None and not zone.exists(name):
        response.set_rcode(dns.rcode.NXDOMAIN)
    if proving is not None:
        prove(response.authority, zone, name, proving)


def refer(response: dns.message.Message, child: Zone) -> None:
    """RFC 1034 section 4.3.2, 3b: its name servers, and the addresses of those that are within it."""
    given = child.rrset(child.origin, dns.rdatatype.NS)
    names = [rdata.target for rdata in given or ()]
    if child.spec.delegated is not None:
        names = [dns.name.from_text(name, child.origin) for name in child.spec.delegated]
    response.authority.append(dns.rrset.from_text(child.origin, TTL, "IN", "NS", *(str(name) for name in names)))
    for name in names:
        addresses = child.rrset(name, dns.rdatatype.A) if name.is_subdomain(child.origin) else None
        if addresses is not None and child.spec.glue is not None:
            addresses = dns.rrset.from_text(name, TTL, "IN", "A", child.spec.glue)
        if addresses is not None:
            response.additional.append(addresses)


def add(
    section: list[dns.rrset.RRset],
    authority: list[dns.rrset.RRset],
    zone: Zone,
    rrset: dns.rrset.RRset,
    delegated: Iterable[Zone] | None,
) -> None:
    """With its signature where the zone is signed; None: nobody asked for that."""
    section.append(rrset)
    if delegated is None or zone.signer is None:
        return
    source = zone.source(rrset.name)
    section.append(zone.signer.signature(rrset, source))
    if source != rrset.name:
        prove(authority, zone, rrset.name, delegated)


def prove(section: list[dns.rrset.RRset], zone: Zone, name: dns.name.Name, delegated: Iterable[Zone]) -> None:
    if zone.signer is None:
        return
    nodes = zone.types()
    for child in delegated:
        types = {int(dns.rdatatype.NS)} | ({int(dns.rdatatype.DS)} if _delegation(child) is not None else set())
        nodes[child.origin] = frozenset(types)
    for rrset in zone.signer.denial(nodes, name):
        section += [rrset, zone.signer.signature(rrset)]


def _delegation(child: Zone) -> dns.rrset.RRset | None:
    ds = child.signer.ds() if child.signer else None
    return None if ds is None else dns.rrset.from_rdata(child.origin, TTL, ds)


def wire(response: dns.message.Message, query: dns.message.Message, over_tcp: bool) -> bytes:
    if over_tcp:
        return response.to_wire(max_size=65535)
    try:
        return response.to_wire(max_size=max(512, min(query.payload, MAX_UDP)))
    except dns.exception.TooBig:
        truncated = dns.message.make_response(query)
        truncated.flags |= dns.flags.TC
        return truncated.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self.closed = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        with suppress(dns.exception.DNSException):  # no question: no answer
            for message in self._responder(dns.message.from_wire(data), False):
                self._transport.sendto(message, address)


class DnsServer:
    """One responder on UDP and TCP of one address and port."""

    def __init__(self, transport: asyncio.DatagramTransport, datagrams: _Datagrams, listener: Listener) -> None:
        self._transport, self._datagrams, self._listener = transport, datagrams, listener

    @classmethod
    async def start(cls, responder: Responder, address: str, port: int) -> Self:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(dns.exception.DNSException):
                while length := await reader.read(2):
                    query = dns.message.from_wire(await reader.readexactly(int.from_bytes(length)))
                    for message in responder(query, True):
                        writer.write(struct.pack("!H", len(message)) + message)
                    await writer.drain()

        loop = asyncio.get_running_loop()
        transport, datagrams = await loop.create_datagram_endpoint(
            lambda: _Datagrams(responder), local_addr=(address, port)
        )
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            return cls(transport, datagrams, await Listener.start(connected, address, port))
        except OSError:
            transport.close()
            raise

    async def aclose(self) -> None:
        self._transport.close()
        await self._datagrams.closed.wait()
        await self._listener.aclose()
