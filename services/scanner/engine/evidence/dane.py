"""TLSA records of a domain's mail hosts (RFC 7672), and whether DNSSEC vouches for them."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import Status


@dataclass(frozen=True, slots=True)
class TlsaSet:
    """The records at `_25._tcp.<host>`, in presentation form."""

    host: str
    records: tuple[str, ...] | Unseen
    security: Status | Unseen  # of records that are there (RFC 4035 section 4.3): senders use secure ones alone

    @property
    def name(self) -> str:
        return f"_25._tcp.{self.host}"


@dataclass(frozen=True, slots=True)
class Dane:
    domain: str
    sets: tuple[TlsaSet, ...] | Unseen  # of the first mail hosts; () where the domain takes no mail
