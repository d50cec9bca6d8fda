"""How mail gets to a domain: its mail hosts, what they said, and the TLS that they then spoke."""

from dataclasses import dataclass
from datetime import datetime

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import NoService, Service

PLAINTEXT_MECHANISMS = frozenset({"PLAIN", "LOGIN"})  # of SASL: the password itself goes over the wire


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an SMTP server said before any TLS: its greeting, and its answer to EHLO (RFC 5321 section 4.1.1.1)."""

    text: str
    extensions: tuple[str, ...]  # with their parameters, in capitals: "SIZE 10240000"; () where it knows no EHLO

    def offers(self, extension: str) -> bool:
        return any(offered.split(" ")[0] == extension for offered in self.extensions)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Of AUTH (RFC 4954), in both spellings that are about."""
        found = [offered.replace("=", " ").split() for offered in self.extensions]
        return tuple(dict.fromkeys(name for words in found if words[:1] == ["AUTH"] for name in words[1:]))


@dataclass(frozen=True, slots=True)
class MailServer:
    """One address of one mail host, port 25."""

    host: str
    address: str  # "" where the host has none that could be looked at
    observed_at: datetime
    greeting: Greeting | Unseen
    tls: Service | NoService | Unseen | None  # None: it does not offer STARTTLS, or turned it down

    @property
    def asset(self) -> str:
        return f"{self.host}:25"


@dataclass(frozen=True, slots=True)
class MailTransport:
    domain: str
    servers: tuple[MailServer, ...] | Unseen  # () where the domain takes no mail: no MX, or a null MX (RFC 7505)


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """A service where people read or hand in their mail, as it answers before any TLS."""

    host: str
    address: str
    port: int
    protocol: str  # "imap", "pop3", "submission"
    greeting: str
    capabilities: tuple[str, ...] | Unseen  # in capitals, as the service lists them

    @property
    def asset(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HiddenHost:
    """A mail host, or all of a domain's, whose addresses could not be found."""

    host: str
    unseen: Unseen


@dataclass(frozen=True, slots=True)
class MailAccess:
    """Only what took a connection; ports that are closed or drop all packets are not in it."""

    domain: str
    points: tuple[AccessPoint, ...] | Unseen
    hidden: tuple[HiddenHost, ...] = ()


@dataclass(frozen=True, slots=True)
class RelayAttempt:
    """MAIL FROM and RCPT TO of one transaction, and the replies; no message was ever begun."""

    sender: str
    recipient: str
    sender_reply: str
    recipient_reply: str  # "" where it was not asked
    accepted: bool | None  # None: put off, so that nothing is known


@dataclass(frozen=True, slots=True)
class RelayServer:
    host: str
    address: str
    attempts: tuple[RelayAttempt, ...] | Unseen

    @property
    def asset(self) -> str:
        return f"{self.host}:25"


@dataclass(frozen=True, slots=True)
class OpenRelays:
    """Gathered only where the scan was asked to go beyond what an ordinary client does."""

    domain: str
    servers: tuple[RelayServer, ...] | Unseen
