"""Whether an answer can be believed: records, aliases, wildcards and their absence (RFC 4035 section 5)."""

from dataclasses import dataclass
from datetime import datetime

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from services.scanner.engine.dnssec.chain import Zone, find, find_dname
from services.scanner.engine.dnssec.denial import Denial, Proof, rrsigs_of
from services.scanner.engine.dnssec.signatures import Effort, TooMuch, text, verify
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.dnssec import Signature, Status


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one answer about one name. `alias`: the name that it sends on to, whose own answer decides the rest."""

    status: Status
    reason: str = ""
    records: tuple[str, ...] = ()
    alias: dns.name.Name | None = None
    signatures: tuple[Signature, ...] = ()
    fault: Fault | None = None


def judged(
    answer: dns.message.Message | Unseen,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    zone: Zone,
    now: datetime,
    effort: Effort,
) -> Judgement:
    """`zone`: the one that the name belongs to (for DS: the one above it)."""
    if isinstance(answer, Unseen):
        known = zone.trust.status != "indeterminate"
        fault = answer.fault if known else zone.trust.fault
        return Judgement("indeterminate", answer.reason if known else zone.trust.reason, fault=fault)
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        reason = f"{dns.rdatatype.to_text(rdtype)} of {text(name)} is answered with {dns.rcode.to_text(answer.rcode())}"
        return Judgement("indeterminate", reason, fault="target")
    rrset, alias = _found(answer, name, rdtype)
    records = tuple(rdata.to_text() for rdata in rrset) if rrset is not None and alias is None else ()
    if not zone.secure:
        return Judgement(zone.trust.status, zone.trust.reason, records, alias, fault=zone.trust.fault)
    try:
        if rrset is None:
            return _absent(answer, name, rdtype, zone, now, effort)
        return _present(answer, name, rrset, zone, now, effort, records, alias)
    except TooMuch as reason:
        return Judgement("indeterminate", str(reason), records, alias, fault="target")


def _found(
    answer: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> tuple[dns.rrset.RRset | None, dns.name.Name | None]:
    """The set that answers, or the alias with its target."""
    if (dname := find_dname(answer, name)) is not None:
        prefix = name.relativize(dname.name)
        try:
            return dname, prefix.derelativize(dname[0].target)
        except dns.name.NameTooLong:
            return dname, dns.name.root
    if (rrset := find(answer.answer, name, rdtype)) is not None:
        return rrset, None
    if (cname := find(answer.answer, name, dns.rdatatype.CNAME)) is not None:
        return cname, cname[0].target
    return None, None


def _present(
    answer: dns.message.Message,
    name: dns.name.Name,
    rrset: dns.rrset.RRset,
    zone: Zone,
    now: datetime,
    effort: Effort,
    records: tuple[str, ...],
    alias: dns.name.Name | None,
) -> Judgement:
    signed = verify(rrset, rrsigs_of(answer.answer, rrset), zone.name, zone.keys, now, effort)
    if signed.fault:
        return Judgement("bogus", signed.fault, records, alias, signed.signatures)
    if signed.labels >= len(rrset.name.labels) - 1 - rrset.name.is_wild():
        return Judgement("secure", "", records, alias, signed.signatures)
    proof = Denial(answer, zone.name, zone.keys, now, effort).no_closer(rrset.name, signed.labels)
    return _by(proof, records, alias, signed.signatures)


def _absent(
    answer: dns.message.Message,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    zone: Zone,
    now: datetime,
    effort: Effort,
) -> Judgement:
    denial = Denial(answer, zone.name, zone.keys, now, effort)
    return _by(denial.no_name(name) if answer.rcode() == dns.rcode.NXDOMAIN else denial.no_type(name, rdtype))


def _by(
    proof: Proof,
    records: tuple[str, ...] = (),
    alias: dns.name.Name | None = None,
    signatures: tuple[Signature, ...] = (),
) -> Judgement:
    statuses: dict[str, Status] = {"proved": "secure", "unsigned": "insecure", "unproved": "bogus"}
    return Judgement(statuses[proof.outcome], proof.reason, records, alias, signatures + proof.signatures)
