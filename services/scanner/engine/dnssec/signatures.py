"""Whether a set of records was signed by its zone (RFC 4034 section 3, RFC 4035 section 5.3)."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.exceptions import InvalidSignature
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG

from services.scanner.engine.dnssec.algorithms import SUPPORTED_ALGORITHMS, name_of
from services.scanner.engine.dnssec.keys import public_key
from services.scanner.engine.evidence.dnssec import Signature

MAX_ATTEMPTS = 8  # to verify one set of records: colliding key tags must not cost more (CVE-2023-50387)
MAX_EFFORT = 400  # signatures verified in one scan
MAX_SIGNATURES = 12  # of one set looked at, and kept as evidence
_HALF = 1 << 31


class TooMuch(Exception):
    """More work than a validator should do for this."""


class Effort:
    """What is left of the verifications that one scan may make."""

    def __init__(self, limit: int = MAX_EFFORT) -> None:
        self._left = limit

    def spend(self) -> None:
        """TooMuch once there is nothing left."""
        self._left -= 1
        if self._left < 0:
            raise TooMuch("the scan has verified as many signatures as it may")


@dataclass(frozen=True, slots=True)
class Verified:
    """`fault`: why no signature holds; "" where one does. `labels`: of the name that was signed, which a wildcard
    stands for where the owner has more."""

    fault: str
    labels: int
    signatures: tuple[Signature, ...]


def verify(
    rrset: dns.rrset.RRset,
    found: Iterable[RRSIG],
    zone: dns.name.Name,
    keys: Sequence[DNSKEY],
    now: datetime,
    effort: Effort,
) -> Verified:
    """One good signature by one of the zone's keys is enough (RFC 6840 section 5.11). TooMuch."""
    moment = int(now.timestamp())
    seen: list[Signature] = []
    attempts = 0
    kind = dns.rdatatype.to_text(rrset.rdtype)
    for rrsig in list(found)[:MAX_SIGNATURES]:
        fault = _unfit(rrset, rrsig, zone, moment)
        if not fault:
            candidates = [key for key in keys if (key.key_id(), key.algorithm) == (rrsig.key_tag, rrsig.algorithm)]
            fault = "" if candidates else f"the zone has no key {rrsig.key_tag} of {name_of(rrsig.algorithm)}"
            data = signed_data(rrset, rrsig) if candidates else b""
            for key in candidates:
                attempts += 1
                if attempts > MAX_ATTEMPTS:
                    raise TooMuch(f"{kind} of {rrset.name} has more keys and signatures of one tag than are tried")
                effort.spend()
                fault = _verify(key, rrsig, data)
                if not fault:
                    break
        seen.append(facts(rrset.name, rrsig, fault))
        if not fault:
            return Verified("", rrsig.labels, tuple(seen))
    what = f"{kind} of {text(rrset.name)}"
    if not seen:
        return Verified(f"{what} is not signed", 0, ())
    return Verified(f"{what}: {_told(seen)}", 0, tuple(seen))


def facts(owner: dns.name.Name, rrsig: RRSIG, fault: str) -> Signature:
    return Signature(
        owner=text(owner),
        type=dns.rdatatype.to_text(rrsig.type_covered),
        algorithm=int(rrsig.algorithm),
        tag=rrsig.key_tag,
        signer=text(rrsig.signer),
        inception=datetime.fromtimestamp(rrsig.inception, UTC),
        expiration=datetime.fromtimestamp(rrsig.expiration, UTC),
        fault=fault,
    )


def text(name: dns.name.Name) -> str:
    """As people write it: lower case, no trailing dot."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else "."


def signed_data(rrset: dns.rrset.RRset, rrsig: RRSIG) -> bytes:
    """What was signed: the RRSIG without its signature, then the canonical records (RFC 4034 sections 3.1.8.1, 6)."""
    owner = rrset.name
    if rrsig.labels < len(owner.labels) - 1:
        owner = dns.name.Name((b"*", *owner.labels[-(rrsig.labels + 1) :]))
    fixed = struct.pack("!HHI", rrset.rdtype, rrset.rdclass, rrsig.original_ttl)
    head = owner.to_digestable() + fixed
    records = b"".join(
        head + struct.pack("!H", len(data)) + data for data in sorted({rdata.to_digestable() for rdata in rrset})
    )
    return (rrsig.to_wire() or b"")[:18] + rrsig.signer.to_digestable() + records


def _unfit(rrset: dns.rrset.RRset, rrsig: RRSIG, zone: dns.name.Name, moment: int) -> str:
    """RFC 4035 section 5.3.1, but for the key; times by serial number arithmetic (RFC 4034 section 3.1.5)."""
    labels = len(rrset.name.labels) - 1 - rrset.name.is_wild()
    if rrsig.type_covered != rrset.rdtype or rrsig.rdclass != rrset.rdclass:
        return "its signature covers another type"
    if rrsig.signer != zone:
        return f"its signature is by {text(rrsig.signer)}, not by its zone {text(zone)}"
    if rrsig.labels > labels or rrsig.labels < len(zone.labels) - 1:
        return "its signature is for a name of another depth"
    if rrsig.algorithm not in SUPPORTED_ALGORITHMS:
        return f"its signature is by {name_of(rrsig.algorithm)}, which validators need not know"
    if (rrsig.expiration - moment) % (1 << 32) >= _HALF:
        return f"its signature expired at {datetime.fromtimestamp(rrsig.expiration, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if (moment - rrsig.inception) % (1 << 32) >= _HALF:
        return f"its signature begins at {datetime.fromtimestamp(rrsig.inception, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _verify(key: DNSKEY, rrsig: RRSIG, data: bytes) -> str:
    made = public_key(key)
    if made is None:
        return f"key {rrsig.key_tag} is no key of {name_of(rrsig.algorithm)}"
    try:
        made.verify(rrsig.signature, data)
    except (InvalidSignature, ValueError):
        return f"its signature does not match key {rrsig.key_tag}"
    return ""


def _told(seen: Sequence[Signature]) -> str:
    """The fault that says most: one that rests on a key of the zone, else the first."""
    telling = [one.fault for one in seen if "expired" in one.fault or "does not match" in one.fault]
    return (telling or [one.fault for one in seen])[0]
