"""What each name server of a zone says when asked directly, and the zone's CAA and wildcard records."""

from dataclasses import dataclass, field

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class Soa:
    """The answer to a question for the zone's SOA without recursion."""

    rcode: str
    authoritative: bool  # the AA flag, with the SOA itself in the answer
    serial: int | None
    primary: str = ""  # MNAME
    timers: tuple[int, int, int, int] | None = None  # refresh, retry, expire, minimum; seconds


@dataclass(frozen=True, slots=True)
class Recursion:
    """The answer to a recursive question for a name of somebody else's."""

    asked: str
    available: bool  # the RA flag
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """The answer to AXFR: the first records given, or the reason why none was."""

    records: tuple[str, ...]
    count: int  # of records read before we stopped
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ServerAnswers:
    """One address of one name server, all asked at once."""

    name: str
    address: str
    soa: Soa | Unseen
    nameservers: tuple[str, ...] | Unseen  # the NS set that it gives
    recursion: Recursion | Unseen
    transfer: Transfer | Unseen
    version: str | Unseen  # of version.bind; "" where it does not say

    @property
    def authoritative(self) -> bool:
        return isinstance(self.soa, Soa) and self.soa.authoritative


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a server of the parent zone says of the zone's name servers."""

    parent: str  # the zone above
    server: str
    address: str
    nameservers: tuple[str, ...]
    glue: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name server, its addresses as the parent gives them


@dataclass(frozen=True, slots=True)
class CaaSet:
    """The CAA records at one name of the climb from the domain to its top level."""

    name: str
    records: tuple[str, ...] | Unseen


@dataclass(frozen=True, slots=True)
class DnsZone:
    zone: str | Unseen  # the apex that the domain belongs to
    servers: tuple[ServerAnswers, ...] = ()
    caa: tuple[CaaSet, ...] = ()  # the domain first
    random_name: str = ""  # a name that nobody made
    random_records: tuple[str, ...] | Unseen = field(default=())
    delegation: Delegation | Unseen = field(default=Unseen("the parent's servers were not asked", "ours"))
    aliases: tuple[tuple[str, str], ...] = ()  # name servers that are aliases, with what for

    @property
    def relevant_caa(self) -> CaaSet | Unseen | None:
        """The first set up the tree (RFC 8659 section 3); Unseen where the climb met a name without an answer."""
        for found in self.caa:
            if isinstance(found.records, Unseen):
                return found.records
            if found.records:
                return found
        return None
