"""Names of hosts: those often met, those in a domain's own records, and what a name says of its host."""

import re
from collections.abc import Iterable, Iterator

MAX_NAME = 253
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_SPF_TARGET = re.compile(r"(?:^|[ ?~+-])(?:include:|a:|mx:|redirect=)([A-Za-z0-9._-]{1,253})")
# The first label of hosts often met; what is behind one is asked for by every visitor who guesses it.
GUESSES: tuple[str, ...] = (
    *(
        "www",
        "mail",
        "webmail",
        "smtp",
        "imap",
        "autodiscover",
        "ftp",
        "vpn",
        "remote",
        "portal",
        "login",
        "auth",
        "sso",
    ),
    *("api", "app", "admin", "intranet", "extranet", "dev", "test", "testing", "stage", "staging", "uat", "qa"),
    *("preprod", "sandbox", "demo", "beta", "old", "new", "blog", "shop", "store", "support", "help", "docs", "status"),
    *(
        "cdn",
        "static",
        "assets",
        "media",
        "m",
        "news",
        "events",
        "careers",
        "go",
        "git",
        "gitlab",
        "jenkins",
        "grafana",
    ),
)
# Words of a host's name that say that it is no production.
_ENVIRONMENTS = frozenset(
    {"dev", "devel", "develop", "development", "test", "testing", "tst", "stage", "staging", "stg", "uat", "qa"}
    | {"preprod", "preproduction", "nonprod", "sandbox", "integration", "acceptance"}
)
_WORD = re.compile(r"[a-z]+")


def within(names: Iterable[str], domain: str) -> Iterator[str]:
    """Those that are hosts below the domain, a wildcard taken for the name that it stands on, without its dot."""
    suffix = "." + domain
    for name in names:
        name = name.strip().rstrip(".").lower().removeprefix("*.")
        if name.endswith(suffix) and len(name) <= MAX_NAME and _NAME.fullmatch(name):
            yield name


def in_spf(records: Iterable[str]) -> Iterator[str]:
    """The names that SPF records refer to (RFC 7208 sections 5 and 6.1), without those that macros make."""
    for record in records:
        if record.lower().startswith("v=spf1"):
            yield from _SPF_TARGET.findall(record[:4096])


def environment(name: str, domain: str) -> str:
    """The word by which the part below the domain says that the host is no production; "" where none does."""
    below = name.removesuffix("." + domain)
    return next((word for word in _WORD.findall(below) if word in _ENVIRONMENTS), "")
