"""robots.txt (RFC 9309): the paths in it that point at what its owner would rather not have found."""

import re
from collections.abc import Iterator

MAX_LINES = 2000
_RULE = re.compile(r"[ \t]*(?:dis)?allow[ \t]*:[ \t]*(/[^\s#]{0,500})", re.IGNORECASE)
_TELLING = re.compile(
    r"admin|backup|(?:^|[/._-])(?:bak|old|db|sql|dump|private|secret|internal|intranet|staging|config|conf|logs?|"
    r"passw|credential|api[_-]?keys?|\.git|\.env|\.svn|phpmyadmin|adminer|cpanel|webmail|jenkins|customers?|invoices?)"
    r"(?:$|[/._*?$-])",
    re.IGNORECASE,
)
_WELL_KNOWN = (  # what every site of a kind has in its file tells nothing of this one
    "/wp-admin/", "/wp-admin", "/wp-admin/admin-ajax.php", "/administrator/", "/core/", "/profiles/", "/admin/",
    "/index.php/admin/", "/user/login/", "/user/register/", "/user/password/", "/logs/", "/libraries/",
)  # fmt: skip


def looks_like_one(text: str) -> bool:
    """At least a User-agent line, and no page that answers every path."""
    return (
        text.lstrip()[:1] != "<"
        and re.search(r"^[ \t\N{ZERO WIDTH NO-BREAK SPACE}]*user-agent[ \t]*:", text, re.I | re.M) is not None
    )


def telling_paths(text: str) -> tuple[str, ...]:
    """At most 20 paths of Allow and Disallow lines (section 2.2.2), in order."""
    return tuple(dict.fromkeys(_telling(text)))[:20]


def _telling(text: str) -> Iterator[str]:
    for line in text.splitlines()[:MAX_LINES]:
        if (rule := _RULE.match(line)) and rule[1] not in _WELL_KNOWN and _TELLING.search(rule[1]):
            yield rule[1]
