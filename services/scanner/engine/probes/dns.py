"""Each name server of the zone asked directly, and the resolver about CAA and a name that nobody made."""

import asyncio
import hashlib
from collections.abc import Sequence

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.xfr

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import CaaSet, Delegation, DnsZone, Recursion, ServerAnswers, Soa, Transfer
from services.scanner.engine.network import Network
from services.scanner.engine.parent_servers import delegation_of
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

ADDRESSES_EACH = 2
TIMEOUT = 3.0  # seconds
TRANSFER_LIMIT = 100  # records read
MAX_LINE = 512
TRANSFER_KEPT = 20  # records kept as evidence
FOREIGN = ("example.com", "example.net")  # exist for good (RFC 2606), and no target is both


@probe(budget=12)
async def dns_zone(target: Target, network: Network, addresses: Addresses) -> DnsZone:
    climb = _climb(target.domain)
    random_name = f"{hashlib.sha256(target.domain.encode()).hexdigest()[:16]}.{target.domain}"
    zone, random_records, caa = await asyncio.gather(
        _apex(target, network),
        _records(network, random_name, "A"),
        asyncio.gather(*(_records(network, name, "CAA") for name in climb)),
    )
    servers: Sequence[ServerAnswers] = ()
    delegation: Delegation | Unseen = zone if isinstance(zone, Unseen) else Unseen("it was not asked", "ours")
    aliases: Sequence[tuple[str, str] | None] = ()
    if isinstance(zone, str):
        hosts = () if isinstance(addresses.nameservers, Unseen) else addresses.nameservers
        servers, delegation, aliases = await asyncio.gather(
            asyncio.gather(
                *(
                    _server(network, host.name, address, zone)
                    for host in hosts
                    if not isinstance(host.addresses, Unseen)
                    for address in host.addresses[:ADDRESSES_EACH]
                )
            ),
            delegation_of(network, zone),
            asyncio.gather(*(_alias(network, host.name) for host in hosts)),
        )
    return DnsZone(
        zone=zone,
        servers=tuple(servers),
        caa=tuple(CaaSet(name, records) for name, records in zip(climb, caa, strict=True)),
        random_name=random_name,
        random_records=random_records,
        delegation=delegation,
        aliases=tuple(one for one in aliases if one is not None),
    )


async def _alias(network: Network, name: str) -> tuple[str, str] | None:
    """The answer is there already: the host's addresses were looked up."""
    answer = await network.resolve(name, "A")
    return None if isinstance(answer, Unseen) or not answer.cname else (name, answer.cname[-1].rstrip(".").lower())


def _climb(domain: str) -> tuple[str, ...]:
    """The domain and every name above it."""
    labels = domain.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


async def _records(network: Network, name: str, record_type: str) -> tuple[str, ...] | Unseen:
    answer = await network.resolve(name, record_type)
    return answer if isinstance(answer, Unseen) else tuple(sorted(record.data for record in answer.records))


async def _apex(target: Target, network: Network) -> str | Unseen:
    """The domain where it is a zone of its own, else its registrable domain: as the name servers were looked for."""
    names = tuple(dict.fromkeys((target.domain, target.registrable)))
    for name, records in zip(names, await asyncio.gather(*(_soa(network, name) for name in names)), strict=True):
        if isinstance(records, Unseen) or records:
            return records if isinstance(records, Unseen) else name
    return Unseen(f"no zone with a SOA record was found for {target.domain}", "target")


async def _soa(network: Network, name: str) -> tuple[str, ...] | Unseen:
    answer = await network.resolve(name, "SOA")
    if isinstance(answer, Unseen):
        return answer
    return tuple(record.data for record in answer.records if not answer.cname)


async def _server(network: Network, name: str, address: str, zone: str) -> ServerAnswers:
    """Everything at once: a server that is silent costs its deadline once."""
    soa, nameservers, recursion, transfer, version = await asyncio.gather(
        _ask_soa(network, address, zone),
        _ask_nameservers(network, address, zone),
        _ask_recursion(network, address, zone),
        _ask_transfer(network, address, zone),
        _ask_version(network, address),
    )
    if isinstance(soa, Unseen) and isinstance(transfer, Transfer) and not transfer.records:
        transfer = soa  # nobody was there to refuse it
    return ServerAnswers(name, address, soa, nameservers, recursion, transfer, version)


def _question(name: str, record_type: str, *, recursive: bool = False, rdclass: str = "IN") -> dns.message.QueryMessage:
    query = dns.message.make_query(name, record_type, rdclass)
    if not recursive:
        query.flags &= ~dns.flags.RD
    return query


def _answers(message: dns.message.Message, record_type: str) -> tuple[str, ...]:
    wanted = dns.rdatatype.from_text(record_type)
    return tuple(rdata.to_text() for rrset in message.answer if rrset.rdtype == wanted for rdata in rrset)


async def _ask_soa(network: Network, address: str, zone: str) -> Soa | Unseen:
    answer = await network.ask(address, _question(zone, "SOA"))
    if isinstance(answer, Unseen):
        return answer
    rcode = dns.rcode.to_text(answer.rcode())
    found = _answers(answer, "SOA")
    if not found:
        return Soa(rcode, False, None)
    primary, _, *numbers = found[0].split()
    serial, refresh, retry, expire, minimum = (int(number) for number in numbers)
    name = primary.rstrip(".").lower()
    return Soa(rcode, bool(answer.flags & dns.flags.AA), serial, name, (refresh, retry, expire, minimum))


async def _ask_nameservers(network: Network, address: str, zone: str) -> tuple[str, ...] | Unseen:
    answer = await network.ask(address, _question(zone, "NS"))
    if isinstance(answer, Unseen):
        return answer
    return tuple(sorted(name.lower().rstrip(".") for name in _answers(answer, "NS")))


async def _ask_recursion(network: Network, address: str, zone: str) -> Recursion | Unseen:
    foreign = next(name for name in FOREIGN if not zone.endswith(name))
    answer = await network.ask(address, _question(foreign, "A", recursive=True))
    if isinstance(answer, Unseen):
        return answer
    return Recursion(foreign, bool(answer.flags & dns.flags.RA), _answers(answer, "A"))


async def _ask_transfer(network: Network, address: str, zone: str) -> Transfer | Unseen:
    lines: list[str] = []
    try:
        async for line in network.transfer(address, zone, limit=TRANSFER_LIMIT, timeout=TIMEOUT):
            lines.append(line[:MAX_LINE])
    except TimeoutError:
        if not lines:
            return Unseen(f"{address} left an AXFR unanswered", "target")
    except dns.exception.DNSException as error:
        if not lines:
            return Unseen(f"{address} answered an AXFR with what is no DNS message: {type(error).__name__}", "target")
    except (OSError, EOFError) as error:
        if not lines:
            return Transfer((), 0, str(error) or type(error).__name__)
    return Transfer(tuple(lines[:TRANSFER_KEPT]), len(lines))


async def _ask_version(network: Network, address: str) -> str | Unseen:
    """`version.bind` in class CHAOS, which BIND and most others answer."""
    answer = await network.ask(address, _question("version.bind", "TXT", rdclass="CH"))
    return answer if isinstance(answer, Unseen) else " ".join(_answers(answer, "TXT")).strip('"')
