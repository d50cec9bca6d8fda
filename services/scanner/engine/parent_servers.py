"""The delegation of a zone as the servers of the zone above give it (RFC 1034 section 4.2, RFC 9471)."""

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import Delegation
from services.scanner.engine.network import DnsAnswer, Network

SERVERS = 2  # of the parent that are asked
TIMEOUT = 3.0  # seconds
MAX_NAMES = 20


async def delegation_of(network: Network, zone: str) -> Delegation | Unseen:
    """From the first of two servers of the parent that refers to the zone."""
    labels = zone.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels))]
    found = await asyncio.gather(*(network.resolve(name, "NS") for name in above))
    zones = [
        (name, answer)
        for name, answer in zip(above, found, strict=True)
        if isinstance(answer, DnsAnswer) and answer.records and not answer.cname
    ]
    if not zones:
        unseen = next((answer for answer in found if isinstance(answer, Unseen)), None)
        return unseen or Unseen(f"no zone was found above {zone}", "target")
    parent, answer = zones[0]
    servers = sorted({record.data.rstrip(".").lower() for record in answer.records})[:SERVERS]
    referrals = await asyncio.gather(*(_referral(network, parent, server, zone) for server in servers))
    return next((one for one in referrals if isinstance(one, Delegation)), referrals[0])


async def _referral(network: Network, parent: str, server: str, zone: str) -> Delegation | Unseen:
    known = await network.resolve(server, "A")
    if isinstance(known, Unseen):
        return known
    address = next((record.data for record in known.records if network.allows(record.data)), None)
    if address is None:
        return Unseen(f"{server}, a server of {parent}, has no public address", "source")
    query = dns.message.make_query(zone, "NS", use_edns=0, payload=1232)
    query.flags &= ~dns.flags.RD
    answer = await network.ask(address, query, timeout=TIMEOUT)
    if isinstance(answer, Unseen):
        return Unseen(answer.reason, "ours" if answer.fault == "ours" else "source")
    origin = dns.name.from_text(zone)
    given = [
        rrset
        for rrset in (*answer.answer, *answer.authority)
        if rrset.rdtype == dns.rdatatype.NS and rrset.name == origin
    ]
    if not given:
        return Unseen(f"{server} gives no referral to {zone}: {dns.rcode.to_text(answer.rcode())}", "source")
    names = sorted({rdata.target.to_text(omit_final_dot=True).lower() for rrset in given for rdata in rrset})[
        :MAX_NAMES
    ]
    glue: dict[str, list[str]] = {}
    for rrset in answer.additional:
        name = rrset.name.to_text(omit_final_dot=True).lower()
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA) and name in names:
            glue.setdefault(name, []).extend(rdata.address for rdata in rrset)
    kept = tuple((name, tuple(sorted(found))[:MAX_NAMES]) for name, found in sorted(glue.items()))
    return Delegation(parent, server, address, tuple(names), kept)
