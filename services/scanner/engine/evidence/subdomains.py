"""The names below the domain that were found, and where their records lead."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers.ct import Logged

Source = Literal["zone", "certificate", "log", "guess"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a record leads: `name` as the record has it, and the aliases from there on."""

    name: str  # lower case, no trailing dot
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    missing: str = ""  # of these names the one that does not exist: NXDOMAIN to two questions
    registrable: str = ""  # of the missing name: who registers that has it
    unregistered: bool = False  # `registrable` does not exist either
    unseen: Unseen | None = None  # why that is not known

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether the provider that an alias leads to shows the name as nobody's."""

    provider: str
    edge_case: bool  # the provider may ask for proof of the domain first
    url: str  # the page looked at; "" where the DNS alone says it
    proof: str | Unseen  # the text found, "NXDOMAIN", or "" where somebody has the name


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A zone delegated to a provider whose servers do not have it, where a customer may make it anew."""

    provider: str
    edge_case: bool  # it takes luck or a purchase
    answers: tuple[str, ...]  # of the servers asked: "ns1.example.net: REFUSED"


@dataclass(frozen=True, slots=True)
class Environment:
    """The first page of a host whose name says that it is no production."""

    word: str  # of its name that says so
    url: str
    status: int
    title: str
    length: int  # of the page, in bytes
    gate: str  # what keeps strangers or search engines out; "" where nothing does
    same_as_domain: bool  # it is the page that the domain itself shows at that address


@dataclass(frozen=True, slots=True)
class Silence:
    """An address of a cloud where nothing answers on the ports of the web."""

    address: str
    pointer: str  # its reverse name, by which it is the cloud's to give away


@dataclass(frozen=True, slots=True)
class Subdomain:
    name: str  # "*.example.com" for the wildcard
    sources: tuple[Source, ...]
    addresses: tuple[str, ...] = ()  # at the end of its aliases
    alias: Destination | None = None
    nameservers: tuple[Destination, ...] = ()  # of a zone of its own
    mail: tuple[Destination, ...] = ()
    unseen: Unseen | None = None  # why the name could not be looked up
    claim: Claim | None = None  # None: it leads to no provider that is known for this
    environment: Environment | Unseen | None = None  # None: its name says nothing of the kind, or it has no web server
    silences: tuple[Silence, ...] = ()
    unclaimed: Unclaimed | None = None


@dataclass(frozen=True, slots=True)
class Subdomains:
    domain: str
    registrable: str
    found: tuple[Subdomain, ...]  # the domain itself first
    looked: int  # how many names were looked up
    wildcard: bool | Unseen  # whether any name at all has an answer
    certificate: Unseen | None  # why the certificate gave no names
    logged: tuple[Logged, ...] | Unseen  # certificates that a transparency search knows, expired ones among them
    more: int  # names beyond those that were looked up
    seen_at: datetime

    def own(self, name: str) -> bool:
        """Within the registrable domain, where no stranger can make a name."""
        return name == self.registrable or name.endswith("." + self.registrable)
