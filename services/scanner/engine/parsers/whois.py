"""WHOIS answers (RFC 3912): text for people, in a form of each registry's own."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.registrations import Registered

_LINES = 600
_FEW = 30  # statuses or name servers
# What a server wants to be sent, where that is not the domain alone.
_QUESTIONS: Mapping[str, str] = {"whois.denic.de": "-T dn,ace {}", "whois.jprs.jp": "{}/e", "whois.nic.ad.jp": "{}/e"}

_EXPIRES = frozenset({
    "registryexpirydate", "registrarregistrationexpirationdate", "expirydate", "expirationdate", "expires", "expireson",
    "expire", "expiry", "expiredate", "paidtill", "validuntil", "renewaldate", "recordexpireson", "domainexpires",
    "domainexpirationdate", "expirationtime", "validity", "expdate", "recordexpires", "validthrough", "renewal",
    "domainexpirydate", "expirydateddmmyyyy", "nextduedate", "registrationexpirationdate", "dateexpires", "expiration",
})  # fmt: skip
_REGISTERED = frozenset({
    "creationdate", "createdon", "created", "registeredon", "registered", "registrationtime", "registrationdate",
    "domainnamecommencementdate", "registereddate", "domaindateregistered", "recordcreated", "createddate",
    "domainregistered", "registrationdateddmmyyyy", "domaincreated", "dateregistered", "activated", "recordcreatedon",
    "domaincreationdate", "creation", "domainregistrationdate",
})  # fmt: skip
_CHANGED = frozenset({
    "updateddate", "lastupdated", "lastmodified", "changed", "modified", "lastupdate", "lastupdatedon", "updated",
    "modificationdate", "domaindatelastmodified", "recordlastupdatedon", "domainlastupdated",
})  # fmt: skip
_STATUS = frozenset({
    "domainstatus", "status", "eppstatus", "registrationstatus", "querystatus", "domaintype", "statuses",
    "domainstate",
})  # fmt: skip
_REGISTRAR = frozenset({
    "registrar", "sponsoringregistrar", "registrarname", "currentregistar", "currentregistrar", "registrarorganization",
    "registrationserviceprovider",
})  # fmt: skip
_NAMESERVER = frozenset({
    "nameserver", "nserver", "nameservers", "nserver(s)", "dns", "hostname", "domainservers", "domainnameservers",
    "domainserversinlistedorder", "primaryserver", "secondaryserver", "primarynameserver", "secondarynameservers",
    "nameserversinthelistedorder", "ns", "nsrecords", "domainnameserver", "hostnames", "domainservers1",
})  # fmt: skip
_NAME = frozenset({"domainname", "domain"})

_ABSENT = re.compile(
    r"no match|not found|no entries found|no data found|no object found|nothing found|no information available"
    r"|not registered|status:[ \t]*(?:free|available)|is free\b|is available|no such domain|does not exist"
    r"|no matching record|object does not exist|domain unknown|not been registered|^available$",
    re.IGNORECASE | re.MULTILINE,
)
_REFUSED = re.compile(
    r"quota|limit exceeded|exceeded (?:the|your)|too many (?:requests|queries|connections)|try again later"
    r"|access denied|access (?:is )?restricted|blacklisted|temporarily (?:blocked|unavailable)|not authori[sz]ed",
    re.IGNORECASE,
)
_KEY = re.compile(r"[^\w()]+")
_PAIR = re.compile(r"[ \t]*([^:\n]{1,60}?)[ \t.]*:(?:[ \t]+|$)(.*)")
_BRACKETED = re.compile(r"[a-z]?\.?[ \t]*\[([^\]]{1,60})\][ \t]*(.*)")
_WITHOUT_COLON = re.compile(r"[ \t]*(record (?:expires|created) on)[ \t]+(\S.*)", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z0-9-]{2,63}")
_REFERRAL = re.compile(r"^[ \t]*(?:refer|whois)[ \t]*:[ \t]*(\S{1,253})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_MONTH = f"({'|'.join(_MONTHS)})[a-z]*"
_YEAR_FIRST = re.compile(
    r"(\d{4})[-/. ]{1,2}(\d{1,2})[-/. ]{1,2}(\d{1,2})(?:\D{1,2}(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?)?"
    r"[ \t]*(?:\(?(?:GMT|UTC)?[ \t]*([+-])(\d{2}):?(\d{2})?\)?)?"
)
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_WORDED = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)?[-/. ]{_MONTH}[-/., ]{{1,2}}(\d{{4}})", re.IGNORECASE)
_AMERICAN = re.compile(
    rf"{_MONTH}[-. ]{{1,2}}(\d{{1,2}})(?:,|[ \t]+[\d:]{{5,8}}(?:[ \t]+[a-z]{{3,4}})?)?[ \t]+(\d{{4}})", re.IGNORECASE
)
_WORDED_YEAR_FIRST = re.compile(rf"(\d{{4}})[-. ]{_MONTH}[-. ](\d{{1,2}})", re.IGNORECASE)
_MONTH_ALONE = re.compile(rf"(?:before[ \t]+)?{_MONTH}-(\d{{4}})", re.IGNORECASE)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?!\d)")


def question(server: str, domain: str) -> str:
    """What to send to the server about the domain."""
    return _QUESTIONS.get(server, "{}").format(domain)


def referral(text: str) -> str:
    """The registry's server that IANA's answer for a top-level domain names; "" where it names none."""
    found = _REFERRAL.search(text)
    return found[1].lower().rstrip(".") if found and _HOST.fullmatch(found[1].rstrip(".")) else ""


def parse(text: str, domain: str) -> Registered:
    """ParseError where the answer holds no record of the domain, with the reason that it gives."""
    found: dict[str, list[str]] = {}
    for key, value in _pairs(text):
        found.setdefault(key, []).append(value)
    names = [name.rstrip(".").lower() for key in _NAME for name in found.get(key, ()) if _HOST.fullmatch(name)]
    if names and domain not in names:
        raise ParseError(f"it speaks of {names[0][:100]}")
    # "state" is an address's, but for the registries of .ru and its kin.
    states = [value for value in found.get("state", ()) if "DELEGATED" in value]
    told_statuses = ",".join([*_all(found, _STATUS), *states]).split(",")
    statuses = tuple(dict.fromkeys(" ".join(status.split())[:120] for status in told_statuses if status.strip(" -")))
    servers = (match[0].lower() for value in _all(found, _NAMESERVER) if (match := _HOST.match(value.strip("[]*- "))))
    record = Registered(
        registrar=next((" ".join(value.split())[:200] for value in _all(found, _REGISTRAR)), ""),
        statuses=statuses[:_FEW],
        registered_at=_first(found, _REGISTERED),
        expires_at=_first(found, _EXPIRES),
        changed_at=_first(found, _CHANGED),
        nameservers=tuple(dict.fromkeys(servers))[:_FEW],
    )
    said = text[:4000]
    told = record.registered_at or record.expires_at or record.nameservers
    if not told and _REFUSED.search(said):
        raise ParseError("it refuses to answer, or answers no more for now")
    if not told and _ABSENT.search(said):
        raise ParseError(f"it has no record of {domain}")
    if record.empty:
        raise ParseError("its answer holds nothing that is known")
    return record


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """`key: value`, `[key] value` and keys whose values stand on the lines below, indented or up to an empty line."""
    open_key = ""
    for line in text.splitlines()[:_LINES]:
        line = line[:1000].rstrip()
        stripped = line.strip()
        if stripped.startswith(("%", "#", ">>>")):
            continue
        if not stripped:
            open_key = ""
            continue
        pair = _BRACKETED.match(stripped) or _PAIR.match(line) or _WITHOUT_COLON.match(line)
        if pair and not (open_key in _NAMESERVER and _is_glue(stripped)):
            key, value = _key(pair[1]), pair[2].strip()
            open_key = "" if value else key
            if value:
                yield key, value
        elif open_key:
            yield open_key, stripped


def _is_glue(line: str) -> bool:
    """A name server with an IPv6 address beside it, whose colons separate no key."""
    return bool(_HOST.match(line)) and "." in line.split(":")[0] and " " in line.split(":")[0]


def _key(text: str) -> str:
    """Letters and digits in lower case; what stands in brackets, a translation, left out."""
    return _KEY.sub("", re.sub(r"\([^)]*\)", "", text)).lower().replace("_", "")


def _all(found: Mapping[str, list[str]], keys: frozenset[str]) -> Iterator[str]:
    return (value for key, values in found.items() if key in keys for value in values)


def _first(found: Mapping[str, list[str]], keys: frozenset[str]) -> datetime | None:
    return next((when for value in _all(found, keys) if (when := moment(value))), None)


def moment(text: str) -> datetime | None:
    """A date as registries write it, in UTC; days come before months where only numbers stand."""
    text = text.strip()[:80]
    try:
        if match := _YEAR_FIRST.match(text):
            return _made(match[1], match[2], match[3], match[4], match[5], match[6]) - _offset(match)
        if match := _DAY_FIRST.match(text):
            return _made(match[3], match[2], match[1], match[4], match[5], match[6])
        if match := _WORDED.search(text):
            return _made(match[3], _month(match[2]), match[1])
        if match := _WORDED_YEAR_FIRST.match(text):
            return _made(match[1], _month(match[2]), match[3])
        if match := _AMERICAN.search(text):
            return _made(match[3], _month(match[1]), match[2])
        if match := _MONTH_ALONE.match(text):
            return _made(match[2], _month(match[1]), "1")
        if match := _COMPACT.match(text):
            return _made(match[1], match[2], match[3])
    except (ValueError, KeyError, OverflowError):
        return None
    return None


def _month(name: str) -> int:
    return _MONTHS[name.lower()]


def _offset(match: re.Match[str]) -> timedelta:
    if not match[7]:
        return timedelta()
    east = timedelta(hours=int(match[8]), minutes=int(match[9] or 0))
    return east if match[7] == "+" else -east


def _made(year: str, month: str | int, day: str, *time: str | None) -> datetime:
    hour, minute, second = (int(part or 0) for part in (*time, None, None, None)[:3])
    return datetime(int(year), int(month), int(day), hour, minute, second, tzinfo=UTC)
