"""Where records lead: aliases to their end, and whether a name along the way does not exist."""

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Destination, Unclaimed
from services.scanner.engine.network import DnsAnswer, Network
from services.scanner.engine.parsers import takeover
from services.scanner.engine.target import registered

AT_ONCE = 40  # questions; the process has a hundred for all its scans
_ALIASES = 8
_SERVERS = 3  # of a zone that does not answer


class Records:
    """The DNS as one probe asks it: each question once, and few at a time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[tuple[str, str], asyncio.Task[DnsAnswer | Unseen]] = {}

    async def ask(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        key = (name, record_type)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(name, record_type))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        async with self._places:
            try:
                return await self._network.resolve(name, record_type)
            except ValueError as error:  # a record may point at what cannot be written as a name
                return Unseen(f"{name[:100]!r} cannot be asked for: {error}", "target")

    async def close(self) -> None:
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def destination(self, name: str) -> Destination:
        """Where `name` leads. Missing is what two questions found to be so."""
        ipv4 = await self.ask(name, "A")
        if isinstance(ipv4, DnsAnswer) and ipv4.records:
            return _reached(name, ipv4)
        ipv6 = await self.ask(name, "AAAA")
        if isinstance(ipv6, DnsAnswer) and ipv6.records:
            return _reached(name, ipv6)
        for answer in (ipv4, ipv6):
            if isinstance(answer, Unseen):
                return Destination(name, unseen=answer)
        if isinstance(ipv4, DnsAnswer) and isinstance(ipv6, DnsAnswer) and ipv4.rcode == ipv6.rcode == "NXDOMAIN":
            return await self._missing(name)
        return Destination(name)

    async def _missing(self, name: str) -> Destination:
        """Which name it is: the first along the aliases that has not even an alias (RFC 6604 section 3)."""
        aliases: list[str] = []
        here = name
        while len(aliases) < _ALIASES:
            answer = await self.ask(here, "CNAME")
            if isinstance(answer, Unseen):
                return Destination(name, tuple(aliases), unseen=answer)
            if not answer.records:
                break
            here = plain(answer.records[0].data)
            aliases.append(here)
        registrable, unregistered = await self._registrable(here)
        return Destination(name, tuple(aliases), missing=here, registrable=registrable, unregistered=unregistered)

    async def _registrable(self, name: str) -> tuple[str, bool]:
        """The domain that the name is part of, and whether that does not exist: then anyone may register it."""
        registrable = registered(name)
        answer = await self.ask(registrable, "NS")
        return registrable, isinstance(answer, DnsAnswer) and answer.rcode == "NXDOMAIN"

    async def delegation(self, name: str, parents: tuple[str, ...]) -> tuple[str, ...]:
        """The name servers that the zone above gives for `name`, asked at its own servers (RFC 1034 section 4.2.1)."""
        query = dns.message.make_query(name, "NS")
        query.flags &= ~dns.flags.RD
        for address in parents:
            answer = await self._network.ask(address, query, timeout=1.5)
            if isinstance(answer, Unseen):
                continue
            sets = (*answer.answer, *answer.authority)
            found = [rdata.to_text() for rrset in sets if rrset.rdtype == dns.rdatatype.NS for rdata in rrset]
            return tuple(dict.fromkeys(plain(server) for server in found))
        return ()

    async def unclaimed(self, name: str, servers: tuple[Destination, ...]) -> Unclaimed | None:
        """Where all the servers asked are a provider's and none has the zone (RFC 9499 section 7: lame)."""
        provider = takeover.dns_provider(server.name for server in servers)
        if provider is None or any(takeover.dns_provider([server.name]) is not provider for server in servers):
            return None
        query = dns.message.make_query(name, "SOA")
        query.flags &= ~dns.flags.RD
        asked = [(server.name, server.addresses[0]) for server in servers if server.addresses][:_SERVERS]
        answers = await asyncio.gather(*(self._network.ask(address, query, timeout=2.0) for _, address in asked))
        told: list[str] = []
        for (server, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Unseen) or answer.flags & dns.flags.AA:
                return None
            told.append(f"{server}: {dns.rcode.to_text(answer.rcode())}")
        return Unclaimed(provider.name, provider.edge_case, tuple(told)) if told else None


def plain(name: str) -> str:
    return name.rstrip(".").lower()


def _reached(name: str, answer: DnsAnswer) -> Destination:
    return Destination(
        name,
        tuple(plain(alias) for alias in answer.cname),
        tuple(record.data for record in answer.records),
    )
