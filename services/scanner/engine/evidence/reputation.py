"""What others say of the domain and its addresses: block lists, breach data, and names made to look like it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers.breaches import Breaches

Kind = Literal["ipv4", "ipv6", "domain"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A list's answer about an address or a domain. `codes`: its A records, () where it is not listed."""

    subject: str
    question: str
    codes: tuple[str, ...] | Unseen
    text: str = ""  # the list's own reason, from its TXT record


@dataclass(frozen=True, slots=True)
class BlockList:
    """`kinds`: what it lists, by its test entries (RFC 5782 section 5); Unseen where it answers as no list may."""

    zone: str
    kinds: tuple[Kind, ...] | Unseen
    asked_at: datetime  # UTC
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A registered domain that may be taken for this one."""

    name: str
    addresses: tuple[str, ...]
    mail: tuple[str, ...]  # its mail hosts


@dataclass(frozen=True, slots=True)
class Reputation:
    domain: str
    registrable: str
    addresses: tuple[str, ...]  # of the domain's own web and mail hosts
    lists: tuple[BlockList, ...]
    breaches: Breaches | Unseen
    breach_source: str  # the host of the source that was asked; "" where none was
    lookalikes: tuple[Lookalike, ...]
    lookalikes_asked: int
    lookalikes_unanswered: int  # of those asked for, whose servers or zone gave no answer in time
    unseen: Unseen | None = None  # why addresses may be missing
