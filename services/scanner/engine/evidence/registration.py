"""What the registry has on record of the domain."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers.registrations import Registered


@dataclass(frozen=True, slots=True)
class Source:
    protocol: Literal["rdap", "whois"]
    asked: str  # the RDAP address, or the WHOIS server's name
    question: str  # what was sent to the WHOIS server; "" for RDAP


@dataclass(frozen=True, slots=True)
class Record:
    registered: Registered
    source: Source


@dataclass(frozen=True, slots=True)
class Registration:
    domain: str  # as the registry knows it: what the scanned name was registered under
    own: bool  # False: a hoster's customer, whose own name no registry knows
    seen_at: datetime  # UTC
    record: Record | Unseen
