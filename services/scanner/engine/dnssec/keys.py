"""Keys and what parents say of them (RFC 4034 sections 2 and 5, RFC 3110, RFC 4509)."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

import dns.dnssecalgs
import dns.exception
import dns.name
import dns.rdata
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from services.scanner.engine.dnssec.algorithms import SUPPORTED_ALGORITHMS, SUPPORTED_DIGESTS
from services.scanner.engine.evidence.dnssec import DnsKey, Ds

ZONE, REVOKE = 0x0100, 0x0080
_RSA = frozenset({1, 5, 7, 8, 10})
_MAX_RSA_BYTES = 512  # RFC 3110 section 2: a modulus has 4096 bits at most


class PublicKey(Protocol):
    def verify(self, signature: bytes, data: bytes) -> None: ...


def facts(key: DNSKEY) -> DnsKey:
    return DnsKey(key.key_id(), int(key.algorithm), int(key.flags), modulus_bits(key))


def ds_facts(ds: DS) -> Ds:
    return Ds(ds.key_tag, int(ds.algorithm), int(ds.digest_type), ds.digest.hex())


def modulus_bits(key: DNSKEY) -> int | None:
    """Of an RSA key (RFC 3110 section 2); None for other kinds and for what is no key."""
    if key.algorithm not in _RSA or len(key.key) < 3:
        return None
    begin, length = (1, key.key[0]) if key.key[0] else (3, int.from_bytes(key.key[1:3]))
    modulus = key.key[begin + length :]
    return int.from_bytes(modulus[: _MAX_RSA_BYTES * 2]).bit_length() or None


def usable(keys: Iterable[DNSKEY]) -> tuple[DNSKEY, ...]:
    """Those that may sign a zone's records: zone keys of protocol 3 (RFC 4034 section 2.1), not revoked (RFC 5011)."""
    return tuple(key for key in keys if key.flags & ZONE and not key.flags & REVOKE and key.protocol == 3)


def known(ds: DS) -> bool:
    """Whether we can follow it; a delegation with none such is as good as unsigned (RFC 4035 5.2, RFC 6840 5.2)."""
    return ds.algorithm in SUPPORTED_ALGORITHMS and ds.digest_type in SUPPORTED_DIGESTS


def followed(records: Iterable[DS]) -> tuple[DS, ...]:
    """The known ones; SHA-1 only where nothing stronger stands beside it (RFC 4509 section 3)."""
    found = tuple(ds for ds in records if known(ds))
    stronger = tuple(ds for ds in found if ds.digest_type != 1)
    return stronger or found


def meant_by(anchor: dns.rdata.Rdata, zone: dns.name.Name, key: DNSKEY) -> bool:
    """Whether a DS (or a DNSKEY of a trust anchor) names this very key (RFC 4034 section 5.1.4)."""
    if isinstance(anchor, DNSKEY):
        return bool(anchor == key)
    if not isinstance(anchor, DS) or anchor.algorithm != key.algorithm or anchor.key_tag != key.key_id():
        return False
    digest = SUPPORTED_DIGESTS.get(int(anchor.digest_type))
    hashed = zone.to_digestable() + (key.to_wire() or b"")
    return digest is not None and hashlib.new(digest, hashed, usedforsecurity=False).digest() == anchor.digest


@lru_cache(maxsize=512)  # the root's and the top levels' keys come with every scan
def public_key(key: DNSKEY) -> PublicKey | None:
    """None where its octets are no key of its algorithm."""
    if key.algorithm not in SUPPORTED_ALGORITHMS or (key.algorithm in _RSA and len(key.key) > _MAX_RSA_BYTES + 259):
        return None
    try:
        return dns.dnssecalgs.get_algorithm_cls_from_dnskey(key).public_cls.from_dnskey(key)
    except (dns.exception.DNSException, ValueError):
        return None
