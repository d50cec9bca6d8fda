"""From one zone to the next: trust anchor, DS, DNSKEY (RFC 4035 section 5.2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from services.scanner.engine.dnssec import keys as key_records
from services.scanner.engine.dnssec.anchors import Anchor
from services.scanner.engine.dnssec.denial import Denial, rrsigs_of
from services.scanner.engine.dnssec.signatures import Effort, TooMuch, facts, text, verify
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.dnssec import DnsKey, Ds, Signature, Status, ZoneTrust

MAX_KEPT = 20  # DS, keys or signatures of a zone as evidence
MAX_ENTRIES = 4  # keys that a DS or anchor names which are tried on the key set


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as far as it is trusted. `keys` are those that may sign; () unless it is secure."""

    name: dns.name.Name
    trust: ZoneTrust
    keys: tuple[DNSKEY, ...] = ()

    @property
    def secure(self) -> bool:
        return self.trust.status == "secure"


def find(
    section: Iterable[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    return next(
        (one for one in section if (one.name, one.rdtype, one.rdclass) == (name, rdtype, dns.rdataclass.IN)), None
    )


def anchored(anchor: Anchor, answer: dns.message.Message | Unseen, now: datetime, effort: Effort) -> Zone | Unseen:
    """The zone that a trust anchor speaks for. Where it cannot be trusted, that is the resolver's doing (or that of
    whoever wrote the anchor), never the target's."""
    name = text(anchor.zone)
    if isinstance(answer, Unseen):
        return Unseen(answer.reason, "ours" if answer.fault == "ours" else "source")
    rrset = find(answer.answer, anchor.zone, dns.rdatatype.DNSKEY)
    if rrset is None:
        return Unseen(f"the DNS resolver gives no DNSKEY of {name}", "source")
    if not rrsigs_of(answer.answer, rrset):
        return Unseen("the DNS resolver leaves out DNSSEC signatures", "source")
    try:
        zone = _entered(anchor.zone, anchor.records, rrset, answer, now, effort)
    except TooMuch as reason:
        return Unseen(f"the keys of {name}: {reason}", "source")
    if not zone.secure:
        return Unseen(f"the resolver's keys of {name} do not fit the trust anchor: {zone.trust.reason}", "source")
    return zone


def descended(
    parent: Zone,
    child: dns.name.Name,
    ds: dns.message.Message | Unseen,
    keys: dns.message.Message | Unseen,
    now: datetime,
    effort: Effort,
) -> Zone:
    """What is one label below a secure zone: a zone of its own, or the parent itself where none begins there.

    `ds`, `keys`: the answers to the child's DS and DNSKEY.
    """
    try:
        return _descended(parent, child, ds, keys, now, effort)
    except TooMuch as error:
        reason = str(error)
        return _zone(child, "indeterminate", reason, Unseen(reason, "target"), listed_keys(child, keys), fault="target")


def _descended(
    parent: Zone,
    child: dns.name.Name,
    ds: dns.message.Message | Unseen,
    keys: dns.message.Message | Unseen,
    now: datetime,
    effort: Effort,
) -> Zone:
    if not isinstance(ds, Unseen) and ds.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        ds = Unseen(f"DS of {text(child)} is answered with {dns.rcode.to_text(ds.rcode())}", "target")
    if isinstance(ds, Unseen):
        return _zone(child, "indeterminate", ds.reason, ds, listed_keys(child, keys), fault=ds.fault)
    rrset = find(ds.answer, child, dns.rdatatype.DS)
    if rrset is None:
        return _without_ds(parent, child, ds, keys, now, effort)
    signed = verify(rrset, rrsigs_of(ds.answer, rrset), parent.name, parent.keys, now, effort)
    records = tuple(one for one in rrset if isinstance(one, DS))
    seen = tuple(key_records.ds_facts(one) for one in records)[:MAX_KEPT]
    fault = signed.fault
    if not fault and signed.labels != len(child.labels) - 1:
        fault = f"DS of {text(child)} was made from a wildcard"
    if fault:
        return _zone(child, "bogus", fault, seen, listed_keys(child, keys), signed.signatures)
    followed = key_records.followed(records)
    if not followed:
        reason = "its DS records use algorithms or digests that validators need not know"
        return _zone(child, "insecure", reason, seen, listed_keys(child, keys), signed.signatures)
    if isinstance(keys, Unseen):
        return _zone(child, "indeterminate", keys.reason, seen, keys, signed.signatures, keys.fault)
    key_set = find(keys.answer, child, dns.rdatatype.DNSKEY)
    if key_set is None:
        if keys.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            reason = f"DNSKEY of {text(child)} is answered with {dns.rcode.to_text(keys.rcode())}"
            return _zone(child, "indeterminate", reason, seen, Unseen(reason, "target"), signed.signatures, "target")
        return _zone(child, "bogus", f"{text(child)} has DS records but no DNSKEY", seen, (), signed.signatures)
    return _entered(child, followed, key_set, keys, now, effort, seen, signed.signatures)


def _entered(
    name: dns.name.Name,
    entries: Iterable[dns.rdata.Rdata],
    key_set: dns.rrset.RRset,
    answer: dns.message.Message,
    now: datetime,
    effort: Effort,
    ds: tuple[Ds, ...] = (),
    signatures: tuple[Signature, ...] = (),
) -> Zone:
    """By a key that an entry names and that signed the whole set of keys. TooMuch."""
    found = tuple(one for one in key_set if isinstance(one, DNSKEY))
    seen = tuple(key_records.facts(one) for one in found)[:MAX_KEPT]
    usable = key_records.usable(found)
    trusted = [key for key in usable if any(key_records.meant_by(entry, name, key) for entry in entries)]
    if not trusted:
        reason = f"no DNSKEY of {text(name)} is the one that its DS names"
        given = tuple(facts(name, one, "no DS names its key") for one in rrsigs_of(answer.answer, key_set)[:MAX_KEPT])
        return _zone(name, "bogus", reason, ds, seen, signatures + given)
    rrsigs = rrsigs_of(answer.answer, key_set)
    signed = verify(key_set, rrsigs, name, trusted[:MAX_ENTRIES], now, effort)
    if signed.fault:
        return _zone(name, "bogus", signed.fault, ds, seen, signatures + signed.signatures)
    return _zone(name, "secure", "", ds, seen, signatures + signed.signatures, keys=usable)


def _without_ds(
    parent: Zone,
    child: dns.name.Name,
    answer: dns.message.Message,
    keys: dns.message.Message | Unseen,
    now: datetime,
    effort: Effort,
) -> Zone:
    alias = find_dname(answer, child) or find(answer.answer, child, dns.rdatatype.CNAME)
    if alias is not None:  # an alias is no zone (RFC 1034 section 3.6.2)
        signed = verify(alias, rrsigs_of(answer.answer, alias), parent.name, parent.keys, now, effort)
        fault = signed.fault
        if not fault and signed.labels < len(alias.name.labels) - 1 - alias.name.is_wild():
            proof = Denial(answer, parent.name, parent.keys, now, effort).no_closer(alias.name, signed.labels)
            fault = "" if proof.outcome == "proved" else proof.reason
        return parent if not fault else _zone(child, "bogus", fault, signatures=signed.signatures)
    denial = Denial(answer, parent.name, parent.keys, now, effort)
    denied = answer.rcode() == dns.rcode.NXDOMAIN
    proof = denial.no_name(child) if denied else denial.no_type(child, dns.rdatatype.DS)
    listed = listed_keys(child, keys)
    if proof.outcome == "unproved":
        return _zone(child, "bogus", proof.reason, (), listed, proof.signatures)
    if proof.outcome == "unsigned":
        return _zone(child, "insecure", proof.reason, (), listed, proof.signatures)
    if proof.delegation:
        return _zone(child, "insecure", f"{text(parent.name)} has no DS for it", (), listed, proof.signatures)
    return parent


def find_dname(answer: dns.message.Message, name: dns.name.Name) -> dns.rrset.RRset | None:
    """The DNAME above the name that the answer follows (RFC 6672)."""
    return next(
        (
            one
            for one in answer.answer
            if one.rdtype == dns.rdatatype.DNAME and name != one.name and name.is_subdomain(one.name)
        ),
        None,
    )


def listed_keys(name: dns.name.Name, answer: dns.message.Message | Unseen) -> tuple[DnsKey, ...] | Unseen:
    """The keys in an answer, whether they are trusted or not."""
    if isinstance(answer, Unseen):
        return answer
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        reason = f"DNSKEY of {text(name)} is answered with {dns.rcode.to_text(answer.rcode())}"
        return Unseen(reason, "target")
    rrset = find(answer.answer, name, dns.rdatatype.DNSKEY)
    if rrset is None:
        return ()
    return tuple(key_records.facts(one) for one in rrset if isinstance(one, DNSKEY))[:MAX_KEPT]


def _zone(
    name: dns.name.Name,
    status: Status,
    reason: str,
    ds: tuple[Ds, ...] | Unseen = (),
    listed: tuple[DnsKey, ...] | Unseen = (),
    signatures: tuple[Signature, ...] = (),
    fault: Fault | None = None,
    keys: tuple[DNSKEY, ...] = (),
) -> Zone:
    return Zone(name, ZoneTrust(text(name), status, reason, ds, listed, signatures[:MAX_KEPT], fault), keys)
