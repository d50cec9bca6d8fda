"""The chain of trust down to the domain's zone, and what it makes of the domain's records."""

import asyncio
import hashlib

import dns.message
import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.NSEC3PARAM import NSEC3PARAM

from services.scanner.engine.dnssec.chain import find, listed_keys
from services.scanner.engine.dnssec.keys import ds_facts
from services.scanner.engine.dnssec.signatures import text
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import Dnssec, Ds, Nsec3, RecordTrust, ZoneTrust
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.secure_lookup import Validator
from services.scanner.engine.target import Target

HOST_TYPES = ("A", "AAAA", "MX", "TXT")
MAX_KEPT = 20

Answer = dns.message.Message | Unseen


@probe(budget=12)
async def dnssec(target: Target, network: Network) -> Dnssec:
    validator = Validator.of(network)
    domain = dns.name.from_text(target.domain)
    apexes = _climb(domain, dns.name.from_text(target.registrable))
    random_name = f"{hashlib.sha256(target.domain.encode()).hexdigest()[:16]}.{target.domain}"
    wanted = [(target.domain, kind) for kind in HOST_TYPES] + [(random_name, "A")]
    # All questions in one wave: which of the names is a zone is known from the answers.
    chain, soas, _ = await asyncio.gather(
        validator.chain(domain),
        asyncio.gather(*(network.query(text(name), "SOA") for name in apexes)),
        asyncio.gather(*(network.query(*one) for one in wanted)),
    )
    if isinstance(chain, Unseen):
        return Dnssec(target.domain, network.now(), chain)
    zones = tuple(zone.trust for zone in chain)
    apex = next((name for name, answer in zip(apexes, soas, strict=True) if _has(answer, name, "SOA")), chain[-1].name)
    if apex != chain[-1].name and apex.is_subdomain(chain[-1].name):
        zones += (await _unsecured(network, apex, zones[-1]),)
    found = await asyncio.gather(validator.lookup(text(apex), "SOA"), *(validator.lookup(*one) for one in wanted))
    return Dnssec(
        target.domain,
        validator.now,
        zones,
        tuple(RecordTrust(one.name, one.type, one.status, one.reason, one.signatures, one.fault) for one in found),
        await _nsec3(network, random_name, apex),
        await _cds(network, apex) if zones[-1].keys and not zones[-1].ds else (),
    )


def _climb(domain: dns.name.Name, registrable: dns.name.Name) -> list[dns.name.Name]:
    """The domain and those above it, to the registrable one."""
    found = [domain]
    while found[-1] != registrable and len(found[-1].labels) > 2:
        found.append(found[-1].parent())
    return found


def _has(answer: Answer, name: dns.name.Name, kind: str) -> bool:
    return not isinstance(answer, Unseen) and find(answer.answer, name, dns.rdatatype.from_text(kind)) is not None


async def _unsecured(network: Network, apex: dns.name.Name, above: ZoneTrust) -> ZoneTrust:
    """A zone below one that nobody vouches for: as it presents itself."""
    ds, keys = await asyncio.gather(network.query(text(apex), "DS"), network.query(text(apex), "DNSKEY"))
    seen: tuple[Ds, ...] | Unseen = ds if isinstance(ds, Unseen) else ()
    if not isinstance(ds, Unseen) and (rrset := find(ds.answer, apex, dns.rdatatype.DS)) is not None:
        seen = tuple(ds_facts(one) for one in rrset if isinstance(one, DS))[:MAX_KEPT]
    return ZoneTrust(text(apex), above.status, above.reason, seen, listed_keys(apex, keys), fault=above.fault)


async def _nsec3(network: Network, random_name: str, apex: dns.name.Name) -> Nsec3 | Unseen | None:
    """As its denials are hashed; where it denied nothing, as it says (RFC 5155 sections 3 and 4)."""
    denial = await network.query(random_name, "A")
    if not isinstance(denial, Unseen):
        for rrset in denial.authority:
            if isinstance(rrset[0], NSEC):
                return None
            if isinstance(rrset[0], NSEC3) and rrset.name.parent() == apex:
                return Nsec3(rrset[0].iterations, rrset[0].salt.hex())
    parameters = await network.query(text(apex), "NSEC3PARAM")
    if isinstance(parameters, Unseen):
        return parameters
    found = find(parameters.answer, apex, dns.rdatatype.NSEC3PARAM)
    if found is None or not isinstance(found[0], NSEC3PARAM):
        return denial if isinstance(denial, Unseen) else None
    return Nsec3(found[0].iterations, found[0].salt.hex())


async def _cds(network: Network, apex: dns.name.Name) -> tuple[str, ...] | Unseen:
    found: list[str] = []
    for kind in ("CDS", "CDNSKEY"):
        answer = await network.query(text(apex), kind)
        if isinstance(answer, Unseen):
            return answer
        rrset = find(answer.answer, apex, dns.rdatatype.from_text(kind))
        found += [f"{kind} {one.to_text()}" for one in rrset or ()]
    return tuple(found[:MAX_KEPT])
