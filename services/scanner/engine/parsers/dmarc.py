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
_VALUES = {"adkim": ("r", "s"), "aspf": ("r", "s"), "psd": ("y", "n", "u"), "t": ("y", "n")}
Find = Callable[[str, MailType], tuple[str, ...] | Unseen | None]  # None: not asked
MAX_PROBLEMS = 20
MAX_WALK = 8  # queries, RFC 9989 section 4.10


@dataclass(frozen=True, slots=True)
class Policy:
    """One record. `problems` are what a receiver ignores in it."""

    p: Disposition | None
    sp: Disposition | None = None
    np: Disposition | None = None
    rua: tuple[str, ...] = ()
    psd: Literal["y", "n", "u"] = "u"
    testing: bool = False
    pct: int | None = None  # of RFC 7489; gone with RFC 9989, which older receivers do not know
    problems: tuple[str, ...] = ()

    @property
    def domain(self) -> Disposition | None:
        """For the domain itself; None: no DMARC processing. Report addresses alone make it "none" (section 4.10.1)."""
        return self.p or ("none" if self.rua else None)

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
    return Policy(
        # An invalid sp or np voids the policy as an invalid p does: section 4.10.1.
        p=p if all(name not in tags or value for name, value in (("sp", sp), ("np", np))) else None,
        sp=sp,
        np=np,
        rua=_addresses(tags.get("rua", ""), problems),
        psd="y" if tags.get("psd", "").lower() == "y" else "n" if tags.get("psd", "").lower() == "n" else "u",
        testing=tags.get("t", "").lower() == "y",
        pct=_percentage(tags, problems),
        problems=tuple(problems[:MAX_PROBLEMS]),
    )


def _tags(text: str, problems: list[str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        name = name.strip(_WHITESPACE).lower()
        if not separator:
            if part.strip(_WHITESPACE):
                problems.append(f"{part.strip(_WHITESPACE)[:40]!r} is not a tag: it should read name=value")
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


def _addresses(value: str, problems: list[str]) -> tuple[str, ...]:
    """The mailboxes of a report tag, without `mailto:` and without a size limit ("!10m")."""
    addresses = []
    for uri in filter(None, (part.strip(_WHITESPACE) for part in value.split(","))):
        scheme, _, rest = uri.partition(":")
        address = rest.partition("!")[0].partition("?")[0]
        local, _, host = address.rpartition("@")
        if scheme.lower() == "mailto" and local and _HOST.fullmatch(host):
            addresses.append(address)
        else:
            problems.append(f"the report address {uri[:80]!r} is not mailto:name@domain")
    return tuple(addresses)


def _percentage(tags: Mapping[str, str], problems: list[str]) -> int | None:
    value = tags.get("pct")
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= 100:
        return int(value)
    problems.append(f"pct={value[:40]} is not a number from 0 to 100")
    return None


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
    found: dict[str, str] = {}
    for at in walk(domain):
        texts = find(f"_dmarc.{at}", "TXT")
        if isinstance(texts, Unseen):
            return texts
        candidates = [text for text in texts or () if is_record(text)]
        if len(candidates) == 1:  # of several, none counts
            found[at] = candidates[0]
        if domain in found:
            break
    if not found:
        return None
    at = domain if domain in found else _above(found, domain)
    return Applied(at, found[at], parse(found[at]), at != domain)


def authorisations(applied: Applied, registrable: str) -> dict[str, str]:
    """Report addresses outside `registrable`, each with the name whose TXT record lets it take them (RFC 9990)."""
    hosts = {address: address.rpartition("@")[2].lower() for address in applied.policy.rua}
    return {
        address: f"{applied.at}._report._dmarc.{host}"
        for address, host in hosts.items()
        if host != registrable and not host.endswith(f".{registrable}")
    }


def _above(found: Mapping[str, str], domain: str) -> str:
    """Of the records above the domain: the organisational domain's, else the public suffix operator's."""
    for at in found:  # longest first; a psd tag ends the walk
        psd = parse(found[at]).psd
        if psd == "n":
            return at
        if psd == "y":
            below = ".".join(domain.split(".")[-at.count(".") - 2 :])
            return below if below in found else at
    return min(found, key=lambda name: name.count("."))
