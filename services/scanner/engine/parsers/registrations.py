"""What a registry has on record of a domain, whichever protocol told it."""

import re
from dataclasses import dataclass
from datetime import datetime

_LETTERS = re.compile(r"[^a-z]")
# The statuses of EPP (RFC 5731 section 2.3, RFC 3915 section 3.1), which RDAP writes in words (RFC 8056 section 2).
PROHIBITIONS = ("transfer", "update", "delete", "renew")
_EPP = frozenset(
    {f"{who}{what}prohibited" for who in ("client", "server") for what in PROHIBITIONS}
    | {"clienthold", "serverhold", "pendingcreate", "pendingdelete", "pendingrenew", "pendingtransfer", "pendingupdate"}
    | {"addperiod", "autorenewperiod", "renewperiod", "transferperiod", "redemptionperiod", "pendingrestore"}
    # RDAP's own words for locks that are nobody's in particular (RFC 9083 section 10.2.2)
    | {f"{what}prohibited" for what in PROHIBITIONS}
)
# A lock against transfers in the words of EPP, RDAP, and registries with software of their own.
_TRANSFER_LOCKS = frozenset(
    {"clienttransferprohibited", "servertransferprohibited", "transferprohibited", "locked", "registrarlock"}
    | {"transferlocked", "sponsoringregistrarchangeforbidden"}
)


@dataclass(frozen=True, slots=True)
class Registered:
    """Times are in UTC; what the registry does not publish is None, "" or ()."""

    registrar: str
    statuses: tuple[
        str, ...
    ]  # as published: "client transfer prohibited", "clientHold https://icann.org/epp#clientHold"
    registered_at: datetime | None
    expires_at: datetime | None
    changed_at: datetime | None
    nameservers: tuple[str, ...]

    @property
    def empty(self) -> bool:
        return not (self.registrar or self.statuses or self.registered_at or self.expires_at or self.nameservers)

    @property
    def codes(self) -> frozenset[str]:
        """The statuses in letters alone: "clienttransferprohibited"; where an address follows, without it."""
        return frozenset(_code(status) for status in self.statuses) - {""}

    @property
    def shows_locks(self) -> bool:
        """Whether the statuses are of the kind that holds locks: any of EPP's but the plain ok and inactive."""
        return bool(self.codes & (_EPP | _TRANSFER_LOCKS))

    @property
    def transfer_locks(self) -> frozenset[str]:
        return self.codes & _TRANSFER_LOCKS


def _code(status: str) -> str:
    text = status.lower().split("http")[0].split("(")[0].split(" - ")[0]
    return _LETTERS.sub("", text)
