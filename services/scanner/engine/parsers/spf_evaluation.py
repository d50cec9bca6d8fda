"""What an SPF record comes to with all that it includes: its cost in lookups and its word on strangers (RFC 7208).

For one message, exactly as a receiver would have it, see `spf_check_host`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, collapse_addresses
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import spf, spf_macros
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.spf_check_host import MAX_HOSTS

EXPLORED = 40  # lookups that we follow, to say by how much the limit is missed

Result = Literal["pass", "fail", "softfail", "neutral", "none", "permerror"]
Find = Callable[[str, MailType], tuple[str, ...] | Unseen | None]  # None: not asked yet
_RESULTS: dict[spf.Qualifier, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


@dataclass(slots=True)
class Evaluation:
    """`wanted` are the questions whose answers `find` did not have yet; ask them and evaluate again."""

    stranger: Result = "none"  # for a sender that no mechanism names
    lookups: int = 0
    void: int = 0
    costly: list[str] = field(default_factory=list)  # "include:_spf.example.net", in order; what was counted
    errors: list[str] = field(default_factory=list)
    unseen: Unseen | None = None
    wanted: set[tuple[str, MailType]] = field(default_factory=set)

    @property
    def open(self) -> Unseen | None:
        """Why the result might be another, had all been answered."""
        if self.wanted and self.unseen is None:
            return Unseen(f"it includes more than was looked up: {min(self.wanted)[0]}", "target")
        return self.unseen


def evaluate(domain: str, find: Find) -> Evaluation:
    """Every term up to `all` is counted: that is what a message from a stranger costs its receiver."""
    walk = _Walk(find, domain)
    walk.evaluation.stranger = walk.result(domain, ())
    return walk.evaluation


class _Walk:
    def __init__(self, find: Find, sender: str) -> None:
        self._find = find
        self._sender = sender
        self.evaluation = Evaluation()

    def result(self, domain: str, above: tuple[str, ...]) -> Result:
        """check_host() of section 4 for a sender that matches no network or host named."""
        if domain in above:
            return self._error(f"{domain} includes itself")
        if not spf_macros.well_formed(domain):
            return "none"
        texts = self._answer(domain, "TXT")
        if texts is None:
            return "neutral"
        records = spf.select(texts)
        if len(records) > 1:
            return self._error(f"{domain} has {len(records)} SPF records")
        if not records:
            return "none"
        try:
            record = spf.parse(records[0])
        except ParseError as error:
            return self._error(f"{domain}: {error}")
        return self._evaluated(record, domain, (*above, domain))

    def _evaluated(self, record: spf.Record, domain: str, above: tuple[str, ...]) -> Result:
        admitted: list[IPv4Network] = []
        for term in record.terms:
            if isinstance(term.network, IPv4Network) and term.qualifier == "+":
                admitted.append(term.network)
            matched = self._term(term, domain, above)
            if matched is not None:
                return "pass" if _everyone(admitted) else matched
        if _everyone(admitted):
            return "pass"
        if record.redirect is None:
            return "neutral"
        name = self._expanded(record.redirect, domain)
        if not self._count(f"redirect={record.redirect}") or name is None:
            return "neutral"
        result = self._target(name, above)
        return self._error(f"{name} has no SPF record to redirect to") if result == "none" else result

    def _expanded(self, text: str, domain: str) -> str | None:
        """None where it depends on the message: such a name cannot be asked without one."""
        try:
            return spf_macros.target_name(spf_macros.expand(text, {"d": domain, "o": self._sender}))
        except KeyError:
            return None

    def _term(self, term: spf.Term, domain: str, above: tuple[str, ...]) -> Result | None:
        """The result where the term matches every stranger, or none can be had."""
        if term.everyone:
            return _RESULTS[term.qualifier]
        if term.mechanism not in spf.LOOKUP_MECHANISMS:
            return None
        name = self._expanded(term.value, domain) if term.value else domain
        shown = f"{term.mechanism}:{term.value}" if term.value else term.mechanism
        if not self._count(shown) or name is None:
            return None
        if term.mechanism == "include":
            return self._include(term, name, above)
        if not spf_macros.well_formed(name):
            return None
        if term.mechanism == "mx":
            return self._mail_hosts(term, name, shown)
        if term.mechanism == "exists":
            self._void(self._answer(name, "A"))
        elif term.mechanism == "a":
            four, six = self._answer(name, "A"), self._answer(name, "AAAA")
            self._void(None if four is None or six is None else four + six)
            if (four and term.prefix[0] == 0) or (six and term.prefix[1] == 0):
                return _RESULTS[term.qualifier]
        return None

    def _mail_hosts(self, term: spf.Term, name: str, shown: str) -> Result | None:
        hosts = self._answer(name, "MX")
        self._void(hosts)
        if hosts and len(hosts) > MAX_HOSTS:
            return self._error(f"{shown} names {len(hosts)} hosts, {MAX_HOSTS} at most are looked up")
        return _RESULTS[term.qualifier] if hosts and 0 in term.prefix else None

    def _include(self, term: spf.Term, name: str, above: tuple[str, ...]) -> Result | None:
        """Section 5.2: a pass within matches; an error or no record within is an error of the whole."""
        result = self._target(name, above)
        if result == "none":
            return self._error(f"{name} is included but has no SPF record")
        if result == "permerror":
            return result
        return _RESULTS[term.qualifier] if result == "pass" else None

    def _target(self, name: str, above: tuple[str, ...]) -> Result:
        if spf_macros.well_formed(name):
            self._void(self._answer(name, "TXT"))
        return self.result(name, above)

    def _answer(self, name: str, record_type: MailType) -> tuple[str, ...] | None:
        found = self._find(name, record_type)
        if found is None:
            self.evaluation.wanted.add((name, record_type))
        elif isinstance(found, Unseen):
            self.evaluation.unseen = self.evaluation.unseen or found
        else:
            return found
        return None

    def _count(self, shown: str) -> bool:
        """False once more has been followed than we care for."""
        self.evaluation.lookups += 1
        self.evaluation.costly.append(shown)
        return self.evaluation.lookups <= EXPLORED

    def _void(self, records: tuple[str, ...] | None) -> None:
        """Count the answer to the term counted last, where it is empty."""
        if records == ():
            self.evaluation.void += 1
            self.evaluation.costly[-1] += " (void)"

    def _error(self, message: str) -> Result:
        self.evaluation.errors.append(message)
        return "permerror"


def _everyone(networks: list[IPv4Network]) -> bool:
    """Whether they are the whole Internet together."""
    return bool(networks) and sum(network.num_addresses for network in collapse_addresses(networks)) == 2**32
