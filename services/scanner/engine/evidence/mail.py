"""What the DNS says about a domain's mail: every question that was asked, with its answer as it came."""

from dataclasses import dataclass
from typing import Literal

from services.scanner.engine.evidence.base import Unseen

MailType = Literal["TXT", "MX", "A", "AAAA", "PTR"]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to the resolver. `records` in presentation form, TXT strings joined; () where there are none."""

    name: str  # lower case, no trailing dot
    type: MailType
    records: tuple[str, ...] | Unseen


@dataclass(frozen=True, slots=True)
class MailRecords:
    """MX, SPF with what it includes, DMARC up the tree with its report addresses, and DKIM at likely selectors."""

    domain: str
    registrable: str
    lookups: tuple[Lookup, ...]
    selectors: tuple[str, ...]  # that DKIM keys were looked for at
    keys_below: bool | None = None  # whether any name exists below `_domainkey` (RFC 8020); None: not known

    def found(self, name: str, record_type: MailType) -> tuple[str, ...] | Unseen | None:
        """None where that was not asked."""
        for lookup in self.lookups:
            if (lookup.name, lookup.type) == (name, record_type):
                return lookup.records
        return None
