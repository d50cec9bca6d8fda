"""DMARC records (RFC 9989 section 4) and the walk up the tree to the one that applies (section 4.10)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers.errors import ParseError

Disposition = Literal["none", "quarantine", "reject"]
DISPOSITIONS: tuple[Disposition, ...] = ("none", "quarantine", "reject")  # weakest first
_WHITESPACE = " \t\r\n"
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+", re.IGNORECASE)
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([!-~]+)")  # RFC 3986; what follows the scheme differs by it
_SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)  # obs-dmarc-report-size
_VALUES = {"adkim": ("r", "s"), "aspf": ("r", "s"), "psd": ("y", "n", "u"), "t": ("y", "n")}
Find = Callable[[str, MailType], tuple[str, ...] | Unseen | None]  # None: not asked
MAX_PROBLEMS = 20
MAX_WALK = 8  # queries, RFC 9989 section 4.10
MAX_NAME = 253
MAX_REPORT_HOSTS = 5  # whose word we look for


@dataclass(frozen=True, slots=True)
class Policy:
    """One record. `problems` are what a receiver ignores in it."""

    p: Disposition | None
    sp: Disposition | None = None
    np: Disposition | None = None
    rua: tuple[str, ...] = ()  # mailboxes
    psd: Literal["y", "n", "u"] = "u"
    testing: bool = False
    pct: int | None = None  # of RFC 7489; gone with RFC 9989, which older receivers do not know
    problems: tuple[str, ...] = ()
    reports: bool = False  # some valid URI stands in rua, of whatever scheme

    @property
    def domain(self) -> Disposition | None:
        """For the domain itself; None: no DMARC processing. Report addresses alone make it "none" (section 4.10.1)."""
        return self.p or ("none" if self.reports else None)

    @property
    def subdomains(self) -> Disposition | None:
        return self.sp if self.p and self.sp else self.domain


def is_record(text: str) -> bool:
    """Begins with the version tag, "v=DMARC1"; the value is case-sensitive."""
    name, _, value = text.partition(";")[0].partition("=")
    return name.strip(_WHITESPACE) == "v" and value.strip(_WHITESPACE) == "DMARC1"


def parse(text: str) -> Policy:
    """ParseError where the text is no DMARC record at all."""
    if not is_record(text):
        raise ParseError("a DMARC record begins with v=DMARC1")
    problems: list[str] = []
    tags = _tags(text, problems)
    for name, allowed in _VALUES.items():
        if name in tags and tags[name].lower() not in allowed:
            problems.append(f"{name}={tags.pop(name)[:40]} is none of {', '.join(allowed)}")
    p, sp, np = (_disposition(tags, name, problems) for name in ("p", "sp", "np"))
    if "p" not in tags:
        problems.append("there is no policy: the tag p is missing")
    _check_failure_options(tags, problems)
    rua, reports = _addresses("rua", tags, problems)
    _addresses("ruf", tags, problems)
    return Policy(
        # An invalid sp or np voids the policy as an invalid p does: section 4.10.1.
        p=p if all(name not in tags or value for name, value in (("sp", sp), ("np", np))) else None,
        sp=sp,
        np=np,
        rua=rua,
        psd="y" if tags.get("psd", "").lower() == "y" else "n" if tags.get("psd", "").lower() == "n" else "u",
        testing=tags.get("t", "").lower() == "y",
        pct=_percentage(tags),
        problems=tuple(problems[:MAX_PROBLEMS]),
        reports=reports,
    )


def _tags(text: str, problems: list[str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        name = name.strip(_WHITESPACE).lower()
        if not separator:
            if part.strip(_WHITESPACE):
                problems.append(f"{part.strip(_WHITESPACE)[:40]!r} is not a tag: it should read name=value")
        elif not (name.isascii() and name.isalpha()):
            problems.append(f"{name[:40]!r} is not the name of a tag: it has letters alone")
        elif not (value.isascii() and value.strip(_WHITESPACE).isprintable() and value.strip(_WHITESPACE)):
            problems.append(f"the tag {name[:40]} has no value that can be printed in ASCII")
        elif name in tags:
            problems.append(f"the tag {name[:40]} comes twice")
        else:
            tags[name] = value.strip(_WHITESPACE)
    return tags


def _disposition(tags: Mapping[str, str], name: str, problems: list[str]) -> Disposition | None:
    value = tags.get(name)
    for disposition in DISPOSITIONS:
        if value is not None and value.lower() == disposition:
            return disposition
    if value is not None:
        problems.append(f"{name}={value[:40]} is none of {', '.join(DISPOSITIONS)}")
    return None


def _addresses(name: str, tags: Mapping[str, str], problems: list[str]) -> tuple[tuple[str, ...], bool]:
    """The mailboxes of a report tag, without `mailto:` and size limit ("!10m"), and whether any URI there is valid."""
    addresses: list[str] = []
    valid = False
    for uri in (part.strip(_WHITESPACE) for part in tags[name].split(",")) if name in tags else ():
        found = _URI.fullmatch(_SIZE.sub("", uri))
        if found and found[1].lower() == "mailto":
            address = found[2].partition("?")[0]
            local, _, host = address.rpartition("@")
            if local and "!" not in address and _HOST.fullmatch(host):
                addresses.append(address)
                valid = True
                continue
        elif found:
            valid = True  # receivers ignore the schemes that they do not speak (section 4.7)
            continue
        problems.append(f"the report address {uri[:80]!r} in {name} is not mailto:name@domain")
    return tuple(addresses), valid


def _check_failure_options(tags: Mapping[str, str], problems: list[str]) -> None:
    """The rule dmarc-fo: each option once, and not "0" together with "1"."""
    options = [option.strip(_WHITESPACE).lower() for option in tags["fo"].split(":")] if "fo" in tags else []
    if not set(options) <= {"0", "1", "d", "s"} or len(options) != len(set(options)) or {"0", "1"} <= set(options):
        problems.append(f"fo={tags['fo'][:40]} is not a list of 0 or 1, d and s")


def _percentage(tags: Mapping[str, str]) -> int | None:
    value = tags.get("pct", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= 100 else None


def walk(domain: str) -> tuple[str, ...]:
    """The domains whose `_dmarc` is asked, from `domain` to its top level (section 4.10)."""
    labels = domain.split(".")
    shorter = [labels[start:] for start in range(max(1, len(labels) - MAX_WALK + 1), len(labels))]
    return tuple(".".join(part) for part in (labels, *shorter))


@dataclass(frozen=True, slots=True)
class Applied:
    """The record that receivers use for a domain, and where it stands."""

    at: str
    record: str
    policy: Policy
    inherited: bool  # from a domain above: its policy for subdomains applies

    @property
    def disposition(self) -> Disposition | None:
        """What receivers do. While testing they do what is one step weaker (section 4.7, tag t)."""
        said = self.policy.subdomains if self.inherited else self.policy.domain
        if said is None or not self.policy.testing:
            return said
        return DISPOSITIONS[max(0, DISPOSITIONS.index(said) - 1)]


def discover(domain: str, find: Find) -> Applied | Unseen | None:
    """The record that receivers use (sections 4.10.1 and 4.10.2); None where there is none up to the top level."""
    found = _found(domain, find, own_is_enough=True)
    if isinstance(found, Unseen):
        return found
    if not found:
        return None
    at = domain if domain in found else _above(found, domain)
    return Applied(at, found[at], parse(found[at]), at != domain)


def organisation(domain: str, find: Find) -> str | Unseen:
    """The organisational domain by the walk up the tree (section 4.10.2); the domain itself where no record is met."""
    found = _found(domain, find)
    if isinstance(found, Unseen):
        return found
    for at in found:  # longest first
        psd = parse(found[at]).psd
        if psd == "n":
            return at
        if psd == "y" and at != domain:
            return _below(at, domain)
    return min(found, key=lambda name: name.count("."), default=domain)


def _found(domain: str, find: Find, *, own_is_enough: bool = False) -> dict[str, str] | Unseen:
    """The records met on the walk, longest name first, up to one that says where the organisation ends."""
    found: dict[str, str] = {}
    for at in walk(domain):
        texts = find(f"_dmarc.{at}", "TXT")
        if isinstance(texts, Unseen):
            return texts
        candidates = [text for text in texts or () if is_record(text)]
        if len(candidates) == 1:  # of several, none counts
            found[at] = candidates[0]
            if parse(found[at]).psd != "u" or (own_is_enough and at == domain):
                break
    return found


def _above(found: Mapping[str, str], domain: str) -> str:
    """Of the records above the domain: the organisational domain's, else the public suffix operator's."""
    for at in found:  # longest first; a psd tag ends the walk
        psd = parse(found[at]).psd
        if psd == "n":
            return at
        if psd == "y":
            below = _below(at, domain)
            return below if below in found else at
    return min(found, key=lambda name: name.count("."))


def _below(suffix: str, domain: str) -> str:
    """The name one label below the suffix, on the way to the domain."""
    return ".".join(domain.split(".")[-suffix.count(".") - 2 :])


def report_hosts(applied: Applied) -> dict[str, str]:
    """The domains of the mailboxes that aggregate reports go to, by mailbox; a bounded number."""
    hosts = {address: address.rpartition("@")[2].lower() for address in applied.policy.rua}
    return dict(list(hosts.items())[:MAX_REPORT_HOSTS])


def questions(applied: Applied) -> list[str]:
    """The names whose TXT records say whether reports may go where they are asked for (RFC 9990)."""
    hosts = {host for host in report_hosts(applied).values() if host != applied.at}
    names = {authorisation(applied, host) for host in hosts} | {f"_dmarc.{at}" for host in hosts for at in walk(host)}
    return sorted(name for name in names if len(name) <= MAX_NAME)


def authorisation(applied: Applied, host: str) -> str:
    """Where `host` says that it takes the reports of the domain that the record stands at."""
    return f"{applied.at}._report._dmarc.{host}"


def authorised(applied: Applied, host: str, find: Find) -> bool | Unseen:
    """RFC 9990, "Verifying External Destinations": within the organisation, or by a record of the other's."""
    if host == applied.at:
        return True
    theirs, ours = organisation(host, find), organisation(applied.at, find)
    if not isinstance(theirs, Unseen) and theirs == ours:
        return True
    name = authorisation(applied, host)
    if len(name) > MAX_NAME:
        return False
    texts = find(name, "TXT")
    if texts is None or isinstance(texts, Unseen):
        return texts or Unseen(f"{name} was not asked for", "ours")
    records = [parse(text) for text in texts if is_record(text)]
    if records:  # one that sends the reports on to yet another host voids both addresses
        return all(address.rpartition("@")[2].lower() == host for record in records for address in record.rua)
    return next((seen for seen in (theirs, ours) if isinstance(seen, Unseen)), False)
