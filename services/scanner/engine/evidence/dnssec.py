"""What DNSSEC says of a domain: the chain of trust zone by zone, and the records that it was tried on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.scanner.engine.evidence.base import Fault, Unseen

Status = Literal["secure", "insecure", "bogus", "indeterminate"]  # RFC 4035 section 4.3


@dataclass(frozen=True, slots=True)
class Ds:
    """What a parent says of a child's key (RFC 4034 section 5)."""

    tag: int
    algorithm: int
    digest_type: int
    digest: str  # hexadecimal


@dataclass(frozen=True, slots=True)
class DnsKey:
    """A zone's key (RFC 4034 section 2). `bits`: of the modulus of an RSA key; None for the other kinds."""

    tag: int
    algorithm: int
    flags: int
    bits: int | None = None

    @property
    def revoked(self) -> bool:
        return bool(self.flags & 0x0080)  # RFC 5011 section 2.1


@dataclass(frozen=True, slots=True)
class Signature:
    """An RRSIG over one set of records (RFC 4034 section 3)."""

    owner: str
    type: str
    algorithm: int
    tag: int
    signer: str
    inception: datetime
    expiration: datetime
    fault: str = ""  # why it proves nothing; "" where it does


@dataclass(frozen=True, slots=True)
class ZoneTrust:
    """One zone of the chain. `fault`: of an indeterminate one."""

    name: str  # no trailing dot; "." for the root
    status: Status
    reason: str
    ds: tuple[Ds, ...] | Unseen = ()
    keys: tuple[DnsKey, ...] | Unseen = ()
    signatures: tuple[Signature, ...] = ()  # over its DS set and over its keys
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class RecordTrust:
    """One set of records, or the proof that there is none. `fault`: of an indeterminate one."""

    name: str
    type: str
    status: Status
    reason: str
    signatures: tuple[Signature, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Nsec3:
    """How a zone hashes the names that it denies with (RFC 5155)."""

    iterations: int
    salt: str  # hexadecimal, "" where there is none


@dataclass(frozen=True, slots=True)
class Dnssec:
    domain: str
    at: datetime  # of validation
    zones: tuple[ZoneTrust, ...] | Unseen  # from the trust anchor down to the zone that the domain belongs to
    records: tuple[RecordTrust, ...] = ()
    nsec3: Nsec3 | Unseen | None = None  # None where the zone uses none
    cds: tuple[str, ...] | Unseen = ()  # CDS and CDNSKEY: the DS that the zone wants, where it has none (RFC 7344)

    @property
    def zone(self) -> ZoneTrust | Unseen:
        """That of the domain."""
        return self.zones if isinstance(self.zones, Unseen) else self.zones[-1]

    @property
    def parent(self) -> ZoneTrust | None:
        """The zone above it; None where it is the trust anchor's own."""
        return None if isinstance(self.zones, Unseen) or len(self.zones) < 2 else self.zones[-2]
