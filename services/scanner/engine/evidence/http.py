"""What the web servers of the domain and its `www.` answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers import malware
from services.scanner.engine.parsers.html import Document
from services.scanner.engine.parsers.secrets import Secret
from services.scanner.engine.parsers.technologies import Trace

Scheme = Literal["http", "https"]
CorsTrick = Literal["null", "suffix", "prefix", "plain"]
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Response:
    url: str
    address: str
    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case, in order, duplicates kept

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.headers if key == name)

    def header(self, name: str) -> str | None:
        """All lines joined by commas (RFC 9110, section 5.3)."""
        values = self.values(name)
        return ", ".join(values) if values else None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def asset(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


@dataclass(frozen=True, slots=True)
class Service:
    """One scheme of one host at one address.

    `chain`: the answer to GET / and those along its redirects; () where the port is closed.
    """

    host: str
    address: str  # "" where the host's addresses could not be found
    scheme: Scheme
    chain: tuple[Response, ...] | Unseen
    broken: Unseen | None = None  # why the chain was not followed to its end
    trace: Response | Unseen | None = None  # the answer to TRACE; None where the port is closed
    trace_echoed: bool = False  # its body held our own request header

    @property
    def asset(self) -> str:
        return f"{self.host}:{DEFAULT_PORTS[self.scheme]}"


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The answer to a request that should fail."""

    url: str
    status: int
    details: tuple[str, ...]  # kinds of inner detail shown, by name
    traces: tuple[Trace, ...] = ()  # of software


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory asked for, and whether the server lists its files."""

    url: str
    listed: bool


@dataclass(frozen=True, slots=True)
class CorsReply:
    """The answer to an `Origin` that a careless comparison takes for the site's own."""

    trick: CorsTrick  # "suffix": https://example.com.<foreign>; "prefix": https://foreign-example.com; "plain": http://
    origin: str
    allow_origin: str | None
    allow_credentials: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Where a chain ends, within the registrable domain: a page that visitors get, looked at more closely."""

    response: Response
    document: Document | None  # None where it is no HTML
    cors: Response | Unseen  # the answer to the same request with a foreign `Origin`
    default_of: str = ""  # the product whose untouched start page it is
    traces: tuple[Trace, ...] = ()  # of software, in its markup
    lists_bucket: bool = False
    errors: tuple[ErrorReply | Unseen, ...] = ()
    listings: tuple[Listing | Unseen, ...] = ()
    cors_tricks: tuple[CorsReply | Unseen, ...] = ()
    turned_away: str = ""  # why this is a refusal of the scan and no page that visitors get
    secrets: tuple[Secret, ...] = ()  # in the page's own markup and scripts
    malicious: tuple[malware.Finding, ...] = ()  # code in its own scripts that is known to do harm

    @property
    def asset(self) -> str:
        return self.response.asset


@dataclass(frozen=True, slots=True)
class SecurityTxtReply:
    """/.well-known/security.txt, after redirects."""

    response: Response
    text: str  # at most 32 KiB; "" unless it answered 200
    legacy: bool = False  # found at /security.txt alone


@dataclass(frozen=True, slots=True)
class Http:
    domain: str
    registrable: str
    seen_at: datetime  # UTC
    foreign_origin: str  # what `Page.cors` was asked with
    services: tuple[Service, ...]
    pages: tuple[Page, ...]
    security_txt: SecurityTxtReply | Unseen | None  # None where no web service answers

    def services_of(self, scheme: Scheme) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.scheme == scheme)

    def own(self, host: str) -> bool:
        """Within the registrable domain."""
        return host == self.registrable or host.endswith("." + self.registrable)
