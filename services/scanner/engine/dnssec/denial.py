"""Proofs that a name or a type does not exist (RFC 4035 section 5.4, RFC 5155 section 8, RFC 6840, RFC 9824)."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.RRSIG import RRSIG

from services.scanner.engine.dnssec.signatures import Effort, text, verify
from services.scanner.engine.evidence.dnssec import Signature

MAX_RECORDS = 8  # NSEC and NSEC3 sets of one answer looked at; a proof takes three
MAX_ITERATIONS = 100  # beyond it validators say "insecure" (RFC 9276 section 3.2); hashing costs (CVE-2023-50868)
_SHA1, _OPT_OUT = 1, 1
_NXNAME = 128  # RFC 9824 section 3.2: the name itself does not exist
_NS, _SOA, _CNAME, _DNAME, _DS = (getattr(dns.rdatatype, name) for name in ("NS", "SOA", "CNAME", "DNAME", "DS"))

Outcome = Literal["proved", "unsigned", "unproved"]  # unsigned: beyond what the zone vouches for (opt-out, iterations)


@dataclass(frozen=True, slots=True)
class Proof:
    """`delegation`: the proof says that another zone begins at the name."""

    outcome: Outcome
    reason: str = ""
    delegation: bool = False
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hashed:
    hash: bytes
    rdata: NSEC3


class Denial:
    """The verified NSEC and NSEC3 records of one answer by `zone`."""

    def __init__(
        self,
        answer: dns.message.Message,
        zone: dns.name.Name,
        keys: Sequence[DNSKEY],
        now: datetime,
        effort: Effort,
    ) -> None:
        """TooMuch."""
        self._zone = zone
        self._nsec: list[tuple[dns.name.Name, NSEC]] = []
        self._nsec3: list[_Hashed] = []
        self._fault = ""
        self.signatures: tuple[Signature, ...] = ()
        self._hashes: dict[dns.name.Name, bytes] = {}
        for rrset in _denying(answer):
            signed = verify(rrset, rrsigs_of(answer.authority, rrset), zone, keys, now, effort)
            self.signatures += signed.signatures
            if signed.fault:
                self._fault = self._fault or signed.fault
            elif signed.labels != len(rrset.name.labels) - 1 - rrset.name.is_wild():
                self._fault = self._fault or f"NSEC of {text(rrset.name)} was made from a wildcard"
            else:
                self._take(rrset)

    def _take(self, rrset: dns.rrset.RRset) -> None:
        for rdata in rrset:
            if isinstance(rdata, NSEC):
                self._nsec.append((rrset.name, rdata))
            elif rdata.algorithm == _SHA1 and rdata.flags <= _OPT_OUT and rrset.name.parent() == self._zone:
                hashed = _decoded(rrset.name.labels[0])
                first = self._nsec3[0].rdata if self._nsec3 else rdata
                same = (first.iterations, first.salt) == (rdata.iterations, rdata.salt)  # RFC 5155 section 8.2
                if hashed is not None and same:
                    self._nsec3.append(_Hashed(hashed, rdata))

    @property
    def nsec3(self) -> NSEC3 | None:
        """One of the verified ones."""
        return self._nsec3[0].rdata if self._nsec3 else None

    def no_type(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Proof:
        """That there is no such record at the name, whether the name exists or not."""
        if self._nsec3:
            return self._too_many_iterations() or self._no_type_nsec3(name, rdtype)
        for owner, rdata in self._nsec:
            if owner == name:
                return self._by_bitmap(_types(rdata), name, rdtype)
        cover = self._cover(name)
        if cover is None:
            return self._unproved(name)
        if cover[1].next.is_subdomain(name):
            return self._proved()  # an empty non-terminal: the next name is below it
        wildcard = self._wildcard(name, cover)
        for owner, rdata in self._nsec:
            if owner == wildcard:
                return self._by_bitmap(_types(rdata), wildcard, rdtype)
        return self._proved() if self._cover(wildcard) else self._unproved(wildcard)

    def no_name(self, name: dns.name.Name) -> Proof:
        """That the name does not exist, nor a wildcard that would stand for it."""
        if self._nsec3:
            return self._too_many_iterations() or self._no_name_nsec3(name)
        for owner, rdata in self._nsec:
            if owner == name:
                return self._proved() if _NXNAME in _types(rdata) else self._unproved(name)
        cover = self._cover(name)
        if cover is None or cover[1].next.is_subdomain(name):
            return self._unproved(name)
        wildcard = self._wildcard(name, cover)
        return self._proved() if self._cover(wildcard) else self._unproved(wildcard)

    def no_closer(self, name: dns.name.Name, labels: int) -> Proof:
        """That nothing closer to the name exists than the wildcard whose parent has so many labels (RFC 4035 5.3.4)."""
        next_closer = dns.name.Name(name.labels[-(labels + 2) :])
        if self._nsec3:
            return self._too_many_iterations() or self._covered_nsec3(next_closer)
        cover = self._cover(name)
        if cover is None or self._encloser(name, cover) != next_closer.parent():
            return self._unproved(next_closer)
        return self._proved()

    def _by_bitmap(
        self, types: frozenset[int], name: dns.name.Name, rdtype: dns.rdatatype.RdataType, *, delegates: bool = True
    ) -> Proof:
        """By the types that exist at the name: RFC 6840 sections 4.1, 4.3 and 4.4."""
        if rdtype in types or _CNAME in types:
            return Proof("unproved", f"the proof says that {text(name)} has what it should deny")
        if rdtype == _DS:
            if _SOA in types and name != dns.name.root:
                return Proof("unproved", f"the proof about {text(name)} is the child's, not the parent's")
            return self._proved(delegation=_NS in types)
        if _NS in types and _SOA not in types:
            return Proof("unproved", f"the proof about {text(name)} is the parent's, not its own zone's")
        return self._proved()

    def _cover(self, name: dns.name.Name) -> tuple[dns.name.Name, NSEC] | None:
        """The NSEC between whose names this one would be, but for one that stands above another zone or a DNAME."""
        for owner, rdata in self._nsec:
            types = _types(rdata)
            above = name.is_subdomain(owner) and ((_NS in types and _SOA not in types) or _DNAME in types)
            within = owner < name and (name < rdata.next or rdata.next == self._zone)
            if within and not above and name.is_subdomain(self._zone):
                return owner, rdata
        return None

    def _encloser(self, name: dns.name.Name, cover: tuple[dns.name.Name, NSEC]) -> dns.name.Name:
        """The longest ancestor that exists: what the name shares with one of the two that it is between."""
        common = max(name.fullcompare(other)[2] for other in (cover[0], cover[1].next))
        return dns.name.Name(name.labels[-common:])

    def _wildcard(self, name: dns.name.Name, cover: tuple[dns.name.Name, NSEC]) -> dns.name.Name:
        return dns.name.Name((b"*", *self._encloser(name, cover).labels))

    def _no_type_nsec3(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Proof:
        """RFC 5155 sections 8.5 to 8.7."""
        if (match := self._match(name)) is not None:
            return self._by_bitmap(_types(match), name, rdtype)
        encloser = self._closest_encloser(name)
        if encloser is None:
            return self._unproved(name)
        at, opt_out = encloser
        if opt_out:
            return self._opt_out(name)
        wildcard = dns.name.Name((b"*", *at.labels))
        if (match := self._match(wildcard)) is not None:
            return self._by_bitmap(_types(match), wildcard, rdtype)
        return self._covered_nsec3(wildcard)

    def _no_name_nsec3(self, name: dns.name.Name) -> Proof:
        """RFC 5155 section 8.4."""
        encloser = self._closest_encloser(name)
        if encloser is None or encloser[0] == name:
            return self._unproved(name)
        wildcard = self._covered_nsec3(dns.name.Name((b"*", *encloser[0].labels)))
        return self._opt_out(name) if encloser[1] and wildcard.outcome != "unproved" else wildcard

    def _closest_encloser(self, name: dns.name.Name) -> tuple[dns.name.Name, bool] | None:
        """RFC 5155 section 8.3: it, and whether the name below it may be an unsigned zone."""
        candidate, below = name, None
        while True:
            match = self._match(candidate)
            if match is not None:
                types = _types(match)
                if _DNAME in types or (_NS in types and _SOA not in types):
                    return None
                cover = None if below is None else self._covering(below)
                return None if cover is None else (candidate, bool(cover.flags & _OPT_OUT))
            if candidate == self._zone or candidate == dns.name.root:
                return None
            candidate, below = candidate.parent(), candidate

    def _covered_nsec3(self, name: dns.name.Name) -> Proof:
        cover = self._covering(name)
        if cover is None:
            return self._unproved(name)
        return self._opt_out(name) if cover.flags & _OPT_OUT else self._proved()

    def _match(self, name: dns.name.Name) -> NSEC3 | None:
        hashed = self._hash(name)
        return next((one.rdata for one in self._nsec3 if one.hash == hashed), None)

    def _covering(self, name: dns.name.Name) -> NSEC3 | None:
        hashed = self._hash(name)
        for one in self._nsec3:
            last = one.rdata.next <= one.hash
            after, before = one.hash < hashed, hashed < one.rdata.next
            if (after or before) if last else (after and before):
                return one.rdata
        return None

    def _hash(self, name: dns.name.Name) -> bytes:
        if name not in self._hashes:
            parameters = self._nsec3[0].rdata
            self._hashes[name] = nsec3_hash(name, parameters.salt, parameters.iterations)
        return self._hashes[name]

    def _too_many_iterations(self) -> Proof | None:
        if self._nsec3[0].rdata.iterations <= MAX_ITERATIONS:
            return None
        reason = f"its NSEC3 takes {self._nsec3[0].rdata.iterations} iterations: validators take that for unsigned"
        return Proof("unsigned", reason, signatures=self.signatures)

    def _opt_out(self, name: dns.name.Name) -> Proof:
        return Proof("unsigned", f"{text(name)} is in a span of opt-out", signatures=self.signatures)

    def _proved(self, *, delegation: bool = False) -> Proof:
        return Proof("proved", delegation=delegation, signatures=self.signatures)

    def _unproved(self, name: dns.name.Name) -> Proof:
        reason = self._fault or f"no NSEC or NSEC3 record proves that {text(name)} does not exist"
        return Proof("unproved", reason, signatures=self.signatures)


def rrsigs_of(section: Sequence[dns.rrset.RRset], rrset: dns.rrset.RRset) -> list[RRSIG]:
    """The signatures over the set, from the same section of an answer."""
    return [
        rdata
        for other in section
        if other.rdtype == dns.rdatatype.RRSIG and other.covers == rrset.rdtype and other.name == rrset.name
        for rdata in other
    ]


def nsec3_hash(name: dns.name.Name, salt: bytes, iterations: int) -> bytes:
    """RFC 5155 section 5."""
    digest = hashlib.sha1(name.to_digestable() + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt, usedforsecurity=False).digest()
    return digest


def _denying(answer: dns.message.Message) -> Iterator[dns.rrset.RRset]:
    kinds = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    found = (one for one in answer.authority if one.rdtype in kinds and one.rdclass == dns.rdataclass.IN)
    for _, rrset in zip(range(MAX_RECORDS), found, strict=False):
        yield rrset


def _types(rdata: NSEC | NSEC3) -> frozenset[int]:
    return frozenset(
        window * 256 + index * 8 + bit
        for window, bitmap in rdata.windows
        for index, octet in enumerate(bitmap)
        for bit in range(8)
        if octet & (0x80 >> bit)
    )


def _decoded(label: bytes) -> bytes | None:
    """RFC 5155 section 1.3: base32 with the extended hex alphabet, no padding."""
    try:
        return base64.b32hexdecode(label.upper() + b"=" * (-len(label) % 8))
    except ValueError:
        return None
