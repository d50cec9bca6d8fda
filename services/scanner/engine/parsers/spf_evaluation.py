"""What an SPF record comes to with all that it includes: its cost in lookups and its word on strangers (RFC 7208)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import spf
from services.scanner.engine.parsers.errors import ParseError

MAX_LOOKUPS, MAX_VOID, MAX_HOSTS = 10, 2, 10  # section 4.6.4
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
    walk = _Walk(find)
    walk.evaluation.stranger = walk.result(domain, ())
    return walk.evaluation


class _Walk:
    def __init__(self, find: Find) -> None:
        self._find = find
        self.evaluation = Evaluation()

    def result(self, domain: str, above: tuple[str, ...]) -> Result:
        """check_host() of section 4 for a sender that matches no network or host named."""
        if domain in above:
            return self._error(f"{domain} includes itself")
        texts = self._answer(domain, "TXT")
        if texts is None:
            return "neutral"
        records = [text for text in texts if spf.is_record(text)]
        if len(records) > 1:
            return self._error(f"{domain} has {len(records)} SPF records")
        if not records:
            return "none"
        try:
            record = spf.parse(records[0])
        except ParseError as error:
            return self._error(f"{domain}: {error}")
        for term in record.terms:
            matched = self._term(term, domain, (*above, domain))
            if matched is not None:
                return matched
        if record.redirect is None:
            return "neutral"
        if not self._count(f"redirect={record.redirect}") or spf.has_macro(record.redirect):
            return "neutral"
        result = self._target(record.redirect, (*above, domain))
        return self._error(f"{record.redirect} has no SPF record to redirect to") if result == "none" else result

    def _term(self, term: spf.Term, domain: str, above: tuple[str, ...]) -> Result | None:
        """The result where the term matches every stranger, or none can be had."""
        if term.everyone:
            return _RESULTS[term.qualifier]
        if term.mechanism not in spf.LOOKUP_MECHANISMS:
            return None
        name = term.value or domain
        shown = f"{term.mechanism}:{term.value}" if term.value else term.mechanism
        if not self._count(shown) or spf.has_macro(name):
            return None  # a macro stands for a value of the message: it cannot be asked without one
        if term.mechanism == "include":
            return self._include(term, name, above)
        if term.mechanism == "mx":
            hosts = self._answer(name, "MX")
            self._void(hosts)
            if hosts and len(hosts) > MAX_HOSTS:
                return self._error(f"{shown} names {len(hosts)} hosts, {MAX_HOSTS} at most are looked up")
        elif term.mechanism == "exists":
            self._void(self._answer(name, "A"))
        elif term.mechanism == "a":
            four, six = self._answer(name, "A"), self._answer(name, "AAAA")
            self._void(None if four is None or six is None else four + six)
        return None

    def _include(self, term: spf.Term, name: str, above: tuple[str, ...]) -> Result | None:
        """Section 5.2: a pass within matches; an error or no record within is an error of the whole."""
        result = self._target(name, above)
        if result == "none":
            return self._error(f"{name} is included but has no SPF record")
        if result == "permerror":
            return result
        return _RESULTS[term.qualifier] if result == "pass" else None

    def _target(self, name: str, above: tuple[str, ...]) -> Result:
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
