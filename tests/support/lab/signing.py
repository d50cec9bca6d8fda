"""DNSSEC for the lab's zones: keys, signatures and proofs of absence, made as they are asked for."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import dns.dnssec
import dns.name
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.util
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3, Bitmap

TTL = 0
Types = frozenset[int]
_NS, _SOA, _DS, _RRSIG, _NSEC = (getattr(dns.rdatatype, name) for name in ("NS", "SOA", "DS", "RRSIG", "NSEC"))


@dataclass(frozen=True, slots=True)
class Signing:
    """How a zone is signed. The defaults are as they should be; a test replaces the one setting it is about."""

    algorithm: str = "ECDSAP256SHA256"
    bits: int = 2048  # of RSA keys
    ds: Literal["published", "absent", "wrong"] = "published"
    digest: Literal["SHA1", "SHA256", "SHA384"] = "SHA256"
    denial: Literal["NSEC", "NSEC3", "none"] = "NSEC"
    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False
    begins_in: timedelta = timedelta(days=-2)
    ends_in: timedelta = timedelta(days=12)
    forged: tuple[str, ...] = ()  # types of records whose signatures match nothing
    revoked: bool = False  # the key that the DS names
    serves_keys: bool = True


class Signer:
    """One zone's key, and what is signed with it."""

    def __init__(self, origin: dns.name.Name, spec: Signing) -> None:
        self.origin, self.spec = origin, spec
        self._private, self.key = _key(spec)
        self._now = datetime.now(UTC)
        self._made: dict[tuple[Any, ...], dns.rrset.RRset] = {}

    def ds(self) -> DS | None:
        """What the parent publishes."""
        if self.spec.ds == "absent":
            return None
        key = self.key if self.spec.ds == "published" else _key(self.spec)[1]
        return dns.dnssec.make_ds(self.origin, key, self.spec.digest, policy=dns.dnssec.allow_all_policy)

    def keys(self) -> dns.rrset.RRset:
        return dns.rrset.from_rdata(self.origin, TTL, self.key)

    def parameters(self) -> dns.rrset.RRset | None:
        """NSEC3PARAM."""
        if self.spec.denial != "NSEC3":
            return None
        text = f"1 0 {self.spec.iterations} {self.spec.salt.hex() or '-'}"
        return dns.rrset.from_text(self.origin, TTL, "IN", "NSEC3PARAM", text)

    def signature(self, rrset: dns.rrset.RRset, source: dns.name.Name | None = None) -> dns.rrset.RRset:
        """RRSIG over the set; `source`: the wildcard that it was made from."""
        key = (rrset.name, source, rrset.rdtype, tuple(sorted(rdata.to_digestable() for rdata in rrset)))
        if key not in self._made:
            self._made[key] = self._sign(rrset, source or rrset.name)
        return self._made[key]

    def _sign(self, rrset: dns.rrset.RRset, source: dns.name.Name) -> dns.rrset.RRset:
        rrsig = dns.dnssec.sign(
            dns.rrset.from_rdata_list(source, rrset.ttl, list(rrset)),
            self._private,
            self.origin,
            self.key,
            inception=self._now + self.spec.begins_in,
            expiration=self._now + self.spec.ends_in,
            policy=dns.dnssec.allow_all_policy,
        )
        if dns.rdatatype.to_text(rrset.rdtype) in self.spec.forged:
            rrsig = cast(Any, rrsig.replace(signature=rrsig.signature[:-1] + bytes([rrsig.signature[-1] ^ 1])))
        return dns.rrset.from_rdata(rrset.name, rrset.ttl, rrsig)

    def denial(self, nodes: Mapping[dns.name.Name, Types], name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The NSEC or NSEC3 records, without their signatures, that show what is at the name or that nothing is."""
        if self.spec.denial == "none":
            return []
        return _nsec(nodes, name) if self.spec.denial == "NSEC" else self._nsec3(nodes, name)

    def _nsec3(self, nodes: Mapping[dns.name.Name, Types], name: dns.name.Name) -> list[dns.rrset.RRset]:
        full = dict(nodes)
        for owner in nodes:
            while owner != self.origin:
                owner = owner.parent()
                full.setdefault(owner, frozenset())
        if self.spec.opt_out:
            full = {owner: types for owner, types in full.items() if not _unsigned_cut(types)}
        hashes = {self._hash(owner): types for owner, types in full.items()}
        wanted = [name]
        if name not in full:
            encloser, closer = name.parent(), name
            while encloser not in full:
                encloser, closer = encloser.parent(), encloser
            wanted = [encloser, closer, dns.name.Name((b"*", *encloser.labels))]
        found = {}
        ring = sorted(hashes)
        for one in wanted:
            hashed = self._hash(one)
            at = max((other for other in ring if other <= hashed), default=ring[-1])
            found[at] = (ring[(ring.index(at) + 1) % len(ring)], hashes[at])
        return [self._nsec3_record(at, following, types) for at, (following, types) in found.items()]

    def _nsec3_record(self, at: bytes, following: bytes, types: Types) -> dns.rrset.RRset:
        label = base64.b32hexencode(at).rstrip(b"=").lower()
        plain = types if _unsigned_cut(types) or not types else types | {_RRSIG}
        kinds = [dns.rdatatype.RdataType.make(kind) for kind in sorted(plain)]
        windows = Bitmap(dns.rdtypes.util.Bitmap.from_rdtypes(kinds).windows)
        rdata = cast(Any, NSEC3)(
            dns.rdataclass.IN, dns.rdatatype.NSEC3, 1, int(self.spec.opt_out), self.spec.iterations, self.spec.salt,
            following, windows,
        )  # fmt: skip
        return dns.rrset.from_rdata(dns.name.Name((label, *self.origin.labels)), TTL, rdata)

    def _hash(self, name: dns.name.Name) -> bytes:
        hashed = dns.dnssec.nsec3_hash(name, self.spec.salt, self.spec.iterations, "SHA1")
        return base64.b32hexdecode(hashed)


def _nsec(nodes: Mapping[dns.name.Name, Types], name: dns.name.Name) -> list[dns.rrset.RRset]:
    owners = sorted(nodes)

    def at_or_before(wanted: dns.name.Name) -> dns.rrset.RRset:
        owner = max(one for one in owners if one <= wanted)
        kinds = sorted({*nodes[owner], int(_RRSIG), int(_NSEC)})
        bitmap = dns.rdtypes.util.Bitmap.from_rdtypes([dns.rdatatype.RdataType.make(kind) for kind in kinds])
        following = owners[(owners.index(owner) + 1) % len(owners)]
        rdata = cast(Any, NSEC)(dns.rdataclass.IN, dns.rdatatype.NSEC, following, bitmap.windows)
        return dns.rrset.from_rdata(owner, TTL, rdata)

    first = at_or_before(name)
    if first.name == name or first[0].next.is_subdomain(name):
        return [first]
    common = max(name.fullcompare(other)[2] for other in (first.name, first[0].next))
    second = at_or_before(dns.name.Name((b"*", *name.labels[-common:])))
    return [first] if first.name == second.name else [first, second]


def _unsigned_cut(types: Types) -> bool:
    return _NS in types and _SOA not in types and _DS not in types


def _key(spec: Signing) -> tuple[Any, DNSKEY]:
    makers: dict[str, Any] = {
        "ECDSAP256SHA256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ECDSAP384SHA384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ED25519": ed25519.Ed25519PrivateKey.generate,
        "ED448": ed448.Ed448PrivateKey.generate,
    }
    private = makers.get(spec.algorithm, lambda: rsa.generate_private_key(65537, spec.bits))()
    flags = 0x0181 if spec.revoked else 0x0101
    algorithm = Algorithm.make(spec.algorithm)
    return private, dns.dnssec.make_dnskey(private.public_key(), algorithm, flags=flags)
