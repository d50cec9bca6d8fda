"""The methods that the web servers say they take."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class OptionsReply:
    """The answer to OPTIONS / of one service."""

    asset: str
    url: str
    answer: int | Unseen  # the status
    allow: str | None = None  # Allow (RFC 9110, section 10.2.1), and the older Public
    dav: str | None = None  # DAV (RFC 4918, section 10.1)


@dataclass(frozen=True, slots=True)
class Methods:
    domain: str
    replies: tuple[OptionsReply, ...]
