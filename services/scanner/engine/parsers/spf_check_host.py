"""check_host(): what SPF says of one message (RFC 7208 section 4), over answers that others look up."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import spf, spf_macros
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.spf_macros import IPAddress

MAX_LOOKUPS, MAX_VOID, MAX_HOSTS = 10, 2, 10  # section 4.6.4

Verdict = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
Question = tuple[str, MailType]
# The records in presentation form (MX "10 mail.example.com.", TXT strings joined); () for NXDOMAIN or no such record,
# Unseen for any other failure, None where that was not asked yet.
Lookup = Callable[[str, MailType], Sequence[str] | Unseen | None]

VERDICTS: dict[spf.Qualifier, Verdict] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
UNKNOWN = "unknown"  # what the letters p and r stand for where there is no name (section 7.3)


@dataclass(frozen=True, slots=True)
class Result:
    """`wanted` is empty, or `result` is provisional: look these up and ask again."""

    result: Verdict
    reason: str = ""
    explanation: str = ""  # of a "fail", from the publisher's exp
    lookups: int = 0  # terms evaluated that cause lookups
    void: int = 0  # of them, those that found nothing
    wanted: frozenset[Question] = frozenset()


def check_host(
    ip: str | IPAddress,
    domain: str,
    sender: str,
    helo: str,
    lookup: Lookup,
    *,
    receiver: str = UNKNOWN,
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC),
) -> Result:
    """Evaluate for a message from `ip` with this MAIL FROM and HELO; all but the answers of `lookup` is given. Pure.

    `receiver` and `now` appear in explanations alone (the letters r and t). ValueError where `ip` is no address.
    """
    return _Evaluation(_client(ip), _mailbox(sender, domain), helo, lookup, receiver, now).run(domain)


def _client(ip: str | IPAddress) -> IPAddress:
    """An IPv4 client of a server that speaks IPv6 is an IPv4 client (section 5)."""
    address = ip_address(ip)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _mailbox(sender: str, domain: str) -> tuple[str, str]:
    """The local-part and the domain of a sender; postmaster where it has no local-part (section 4.3)."""
    local, at, host = sender.rpartition("@")
    return (local or "postmaster", host or domain) if at else ("postmaster", sender or domain)


class _Stop(Exception):
    """The whole evaluation ends here."""

    def __init__(self, result: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


class _Unanswered(Exception):
    """Nothing more can be known before the questions in `wanted` are answered."""


@dataclass
class _Evaluation:
    ip: IPAddress
    sender: tuple[str, str]
    helo: str
    lookup: Lookup
    receiver: str
    now: datetime
    lookups: int = 0
    void: int = 0
    wanted: set[Question] = field(default_factory=set)
    explained_by: tuple[str, str] | None = None  # the domain-spec of exp, and the domain it stands at

    def run(self, domain: str) -> Result:
        try:
            result, reason = self._check(spf_macros.target_name(domain), outermost=True)
            explanation = self._explanation() if result == "fail" else ""
        except _Stop as stop:
            return Result(stop.result, stop.reason, "", self.lookups, self.void)
        except _Unanswered:
            return Result(
                "temperror", "not all has been looked up", "", self.lookups, self.void, frozenset(self.wanted)
            )
        return Result(result, reason, explanation, self.lookups, self.void)

    def _check(self, domain: str, *, outermost: bool) -> tuple[Verdict, str]:
        """Sections 4.3 to 4.7. `outermost`: not below an include, whose explanations are none of the message's."""
        if not spf_macros.well_formed(domain):
            return "none", f"{domain[:80]!r} is no domain name that could have an SPF record"
        records = spf.select(self._ask(domain, "TXT"))
        if len(records) != 1:
            if records:
                return "permerror", f"{domain} has {len(records)} SPF records"
            return "none", f"{domain} has no SPF record"
        try:
            record = spf.parse(records[0])
        except ParseError as error:
            return "permerror", f"{domain}: {error}"
        for term in record.terms:
            if self._matches(term, domain):
                if outermost and term.qualifier == "-" and record.explanation:
                    self.explained_by = record.explanation, domain
                return VERDICTS[term.qualifier], f"{term} at {domain} matches"
        if record.redirect is None:
            return "neutral", f"nothing at {domain} matches"
        self._count(f"redirect={record.redirect}")
        target = self._target(record.redirect, domain)
        result, reason = self._check(target, outermost=outermost)
        return ("permerror", f"redirect at {domain}: {reason}") if result == "none" else (result, reason)

    def _matches(self, term: spf.Term, domain: str) -> bool:
        if term.mechanism in spf.LOOKUP_MECHANISMS:
            self._count(str(term))
        match term.mechanism:
            case "all":
                return True
            case "ip4" | "ip6":
                return term.network is not None and self.ip.version == term.network.version and self.ip in term.network
            case "include":
                return self._includes(term, domain)
        name = self._target(term.value, domain) if term.value else domain
        if not spf_macros.well_formed(name):
            return False  # left open by section 4.8
        match term.mechanism:
            case "a":
                return any(self._near(address, term) for address in self._counted(name, self._address_type))
            case "mx":
                return self._mail_host(term, name)
            case "exists":
                return bool(self._counted(name, "A"))
            case _:
                return any(host == name or host.endswith(f".{name}") for host in self._validated_names(counted=True))

    def _includes(self, term: spf.Term, domain: str) -> bool:
        """The table of section 5.2."""
        result, reason = self._check(self._target(term.value, domain), outermost=False)
        if result in ("temperror", "permerror"):
            raise _Stop(result, reason)
        if result == "none":
            raise _Stop("permerror", f"{term} at {domain}: {reason}")
        return result == "pass"

    def _mail_host(self, term: spf.Term, name: str) -> bool:
        hosts = [host for record in self._counted(name, "MX") if (host := _name(record.rpartition(" ")[2]))]
        if len(hosts) > MAX_HOSTS:
            raise _Stop("permerror", f"{name} has {len(hosts)} mail hosts, and {MAX_HOSTS} at most are looked up")
        hosts = [host for host in hosts if spf_macros.well_formed(host)]
        self._want(hosts, self._address_type)
        return any(self._near(address, term) for host in hosts for address in self._ask(host, self._address_type))

    def _near(self, address: str, term: spf.Term) -> bool:
        """Whether the client's address has the bits of this one that the term compares."""
        bits = term.prefix[0] if self.ip.version == 4 else term.prefix[1]
        try:
            return self.ip in ip_network(f"{address}/{bits}", strict=False)
        except ValueError:
            return False

    @property
    def _address_type(self) -> Literal["A", "AAAA"]:
        return "A" if isinstance(self.ip, IPv4Address) else "AAAA"

    def _validated_names(self, *, counted: bool = False) -> Iterator[str]:
        """The names of the client that lead back to it (section 5.5); errors make none of them."""
        pointer = self.ip.reverse_pointer
        found = self.lookup(pointer, "PTR")
        if found is None:
            self.wanted.add((pointer, "PTR"))
            raise _Unanswered
        if isinstance(found, Unseen):
            return
        if not found and counted:
            self._count_void(pointer)
        names = [name for name in map(_name, found) if spf_macros.well_formed(name)][:MAX_HOSTS]
        self._want(names, self._address_type)
        for name in names:
            addresses = self.lookup(name, self._address_type)
            if addresses and not isinstance(addresses, Unseen) and any(_same(one, self.ip) for one in addresses):
                yield name

    def _validated_name(self, domain: str) -> str:
        """The letter p: the domain itself, else a name below it, else any."""
        names = list(self._validated_names())
        below = [name for name in names if name.endswith(f".{domain}")]
        return domain if domain in names else next(iter((*below, *names)), UNKNOWN)

    def _target(self, text: str, domain: str) -> str:
        return spf_macros.target_name(spf_macros.expand(text, self._values(text, domain)))

    def _values(self, text: str, domain: str) -> dict[str, str]:
        local, host = self.sender
        values = {
            "s": f"{local}@{host}",
            "l": local,
            "o": host,
            "d": domain,
            "i": spf_macros.dotted(self.ip),
            "v": "in-addr" if self.ip.version == 4 else "ip6",
            "h": self.helo,
            "c": str(self.ip),
            "r": self.receiver,
            "t": str(int(self.now.timestamp())),
        }
        return values | {"p": self._validated_name(domain)} if "p" in spf_macros.letters(text) else values

    def _explanation(self) -> str:
        """Section 6.2; "" wherever there is none that can be used."""
        if self.explained_by is None:
            return ""
        spec, domain = self.explained_by
        name = self._target(spec, domain)
        if not spf_macros.well_formed(name):
            return ""
        found = self.lookup(name, "TXT")
        if found is None:
            self.wanted.add((name, "TXT"))
            raise _Unanswered
        if isinstance(found, Unseen) or len(found) != 1:
            return ""
        explanation = spf_macros.expand_explanation(found[0], self._values(found[0], domain)) or ""
        return explanation if explanation.isascii() else ""

    def _ask(self, name: str, record_type: MailType) -> Sequence[str]:
        """_Stop with "temperror" where the DNS fails (sections 4.4 and 5)."""
        found = self.lookup(name, record_type)
        if found is None:
            self.wanted.add((name, record_type))
            raise _Unanswered
        if isinstance(found, Unseen):
            raise _Stop("temperror", found.reason)
        return found

    def _want(self, names: Sequence[str], record_type: MailType) -> None:
        """Ask for all of them in one wave."""
        missing = {(name, record_type) for name in names if self.lookup(name, record_type) is None}
        if missing:
            self.wanted |= missing
            raise _Unanswered

    def _counted(self, name: str, record_type: MailType) -> Sequence[str]:
        found = self._ask(name, record_type)
        if not found:
            self._count_void(name)
        return found

    def _count(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _Stop("permerror", f"{term} is one lookup more than the {MAX_LOOKUPS} allowed")

    def _count_void(self, name: str) -> None:
        self.void += 1
        if self.void > MAX_VOID:
            raise _Stop("permerror", f"{name} is one name without records more than the {MAX_VOID} allowed")


def _name(text: str) -> str:
    return text.removesuffix(".").lower()


def _same(text: str, ip: IPAddress) -> bool:
    try:
        return ip_address(text) == ip
    except ValueError:
        return False
