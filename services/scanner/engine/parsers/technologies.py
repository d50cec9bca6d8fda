"""Which software shows in headers, pages, scripts and banners. Pure look-ups in the tables of engine/facts."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from services.scanner.engine.facts import technologies
from services.scanner.engine.facts.technologies import PLUGIN

Certainty = Literal["confirmed", "inferred"]

WINDOW = 64 * 1024  # characters of a page that are looked at
HEAD = 2048  # characters of a script, in which its authors name themselves
_QUOTE = 160  # characters kept of what gave a product away
_TRACES = 150  # of one page
_URLS = 300  # of one page

_NAMING_HEADERS = ("server", "x-powered-by", "via", "x-server", "powered-by", "x-powered-cms", "x-cms", "x-generator")
_WORD = re.compile(r"[A-Za-z][\w.+!-]*")
_NAME_WITH_VERSION = re.compile(r"([A-Za-z][A-Za-z+!_-]*?)[-_](\d[\w.+-]*)\Z")
_WORDS_IN_A_NAME = 5
# A version right behind a name: "/2.4.6", " 5.0.21", "(9.4.31", "-4.2.3", " v7".
_BEHIND = re.compile(r"""(?:[\s/("'=:_-]{0,4})?(?:v|version[ :]{0,2})?(\d[\w.+~:-]{0,60})""", re.IGNORECASE)
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:[.+~:_-]?[A-Za-z0-9]+)*")
# "jquery-3.4.1.min.js", "bootstrap.bundle-5.1.js"
_FILE = re.compile(
    r"(?P<name>[\w@.-]{1,40}?)[-.@_]v?(?P<version>\d{1,4}\.\d{1,4}(?:\.\d{1,6})?(?:[-.](?:alpha|beta|rc)[\w.]{0,10})?)"
    r"(?P<rest>(?:[.-](?:min|slim|umd|cjs|esm|prod|production|dev|development|bundle|full|pack|packed|debug|core|custom))*)"
    r"\.(?:m?js|css)\Z"
)
_PLAIN_FILE = re.compile(
    r"(?P<name>[\w@.-]{1,60}?)(?:[.-](?:min|slim|umd|esm|prod|production|pack|packed|full|all|custom))*\.(?:m?js|css)\Z"
)
_SEGMENT = re.compile(r"v?(\d{1,4}\.\d{1,4}(?:\.\d{1,6})?(?:[-.](?:alpha|beta|rc)[\w.]{0,10})?)\Z")
_AT = re.compile(r"(?P<name>@?[\w./-]{1,60})@v?(?P<version>\d{1,4}(?:\.\d{1,6}){1,3}(?:-[\w.]{1,20})?)\Z")
_PLUGIN = re.compile(r"/wp-content/plugins/([\w.-]{1,80})/")
_CREDIT = re.compile(r"(?<![\w.])v?(\d{1,4}\.\d{1,4}(?:\.\d{1,6})?(?:[-.]?(?:alpha|beta|rc)[\w.]{0,10})?)(?![\w])")
_COPIED = "underscorejs:underscore"  # which Lodash names as what it grew out of
_FILLER = re.compile(r"(?i)[\s,:;*/!-]+(?:javascript (?:library|framework)|js|version|plugin|core)?[\s,:;*/!-]*\Z")


@dataclass(frozen=True, slots=True)
class Trace:
    """A product that something gave away."""

    product: str  # "apache:http_server"
    version: str  # as shown; "" where none is
    place: str  # "Server header", "generator", "script address", ...
    shown: str  # the text itself
    certainty: Certainty = "confirmed"


def in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[Trace]:
    """`headers`: names in lower case; cookies without their values."""
    marks = technologies.marks()
    for name, value in headers:
        if name in _NAMING_HEADERS:
            yield from _named(name, value[:400])
        if name == "set-cookie":
            yield from _cookie(value)
        elif key := marks.version_headers.get(name):
            yield Trace(key, _behind(value.strip(), 0), f"{name} header", f"{name}: {value[:_QUOTE]}")
        elif key := marks.headers.get(name):
            yield Trace(key, "", f"{name} header", f"{name}: {value[:_QUOTE]}")


def _named(name: str, value: str) -> Iterator[Trace]:
    """Product tokens and comments (RFC 9110, sections 10.1.5 and 10.2.4), as loosely as servers write them."""
    marks = technologies.marks()
    place, shown = f"{name} header", f"{name}: {value[:_QUOTE]}"
    words = [(match.start(), match.end()) for match in _WORD.finditer(value)][:60]
    lower, index = value.lower(), 0
    while index < len(words):
        start = words[index][0]
        for count in range(min(_WORDS_IN_A_NAME, len(words) - index), 0, -1):
            end = words[index + count - 1][1]
            key, version = marks.tokens.get(lower[start:end]), ""
            if key is None and count == 1 and (joined := _NAME_WITH_VERSION.match(value[start:end])):
                key, version = marks.tokens.get(joined[1].lower()), joined[2]
            if key is not None:
                yield Trace(key, _clean(version) or _behind(value, end), place, shown)
                index += count - 1
                break
        index += 1
    if name in ("x-generator", "x-powered-cms", "x-cms"):
        yield from generated(value, place)


def _cookie(line: str) -> Iterator[Trace]:
    marks = technologies.marks()
    name = line.partition("=")[0].strip().lower()
    key = marks.cookies.get(name) or next((key for start, key in marks.cookie_starts if name.startswith(start)), None)
    if key:
        yield Trace(key, "", "cookie", f"set-cookie: {name[:60]}", "inferred")


def generated(content: str, place: str = "generator") -> Iterator[Trace]:
    """The content of <meta name="generator">, or a header alike."""
    lower = content.strip().lower()
    for start, key in technologies.marks().generators:
        if lower.startswith(start):
            yield Trace(key, _behind(content.strip(), len(start)), place, content.strip()[:_QUOTE])
            return


def in_text(text: str) -> tuple[Trace, ...]:
    """Marks in a page's markup."""
    window = text[:WINDOW]
    marks = technologies.marks()
    found: dict[str, Trace] = {}
    for mark, key in marks.text:
        at = window.find(mark)
        if at < 0 or (key in found and found[key].version):
            continue
        version = next((seen[1] for pattern in _compiled(key) if (seen := pattern.search(window))), "")
        version = version or _behind(window, at + len(mark))
        shown = " ".join(window[at : at + len(mark) + 40].split())[:_QUOTE]
        found[key] = Trace(key, version, "page", shown)
    return tuple(found.values())[:_TRACES]


@cache
def _compiled(key: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in technologies.marks().patterns.get(key, ()))


def in_urls(urls: Iterable[str]) -> tuple[Trace, ...]:
    """Addresses that a page loads: libraries and their versions, and the products that such paths belong to."""
    taken = list(dict.fromkeys(urls))[:_URLS]
    found: dict[tuple[str, str], Trace] = {}
    for url in taken:
        for trace in _in_url(url):
            found.setdefault((trace.product, trace.version), trace)
    joined = "\n".join(taken)
    lower = joined.lower()
    seen = {product for product, _ in found}
    for mark, key in technologies.marks().urls:
        at = lower.find(mark)
        if at >= 0 and key not in seen:
            seen.add(key)
            end = lower.find("\n", at)
            start = lower.rfind("\n", 0, at) + 1
            found[key, ""] = Trace(key, "", "address", joined[start : end if end >= 0 else None][:_QUOTE])
    return tuple(found.values())[:_TRACES]


def _in_url(url: str) -> Iterator[Trace]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    segments = [segment for segment in unquote(parts.path).split("/") if segment][-8:]
    if not segments:
        return
    scripts = technologies.marks().scripts
    file = segments[-1]
    asked = _asked_version(parts.query)
    named = _PLAIN_FILE.match(file)
    name = named["name"].lower() if named else ""
    if versioned := _FILE.match(file):
        key = scripts.get(versioned["name"].lower())
        if key:
            yield Trace(key, versioned["version"], "script address", url[:_QUOTE])
            return
    for index, segment in enumerate(segments):
        at = _AT.match(segment)
        package = f"{segments[index - 1]}/{segment}" if index and segments[index - 1].startswith("@") else segment
        whole = _AT.match(package) or at
        if at and whole and (key := scripts.get(whole["name"].lower()) or scripts.get(at["name"].lower())):
            yield Trace(key, at["version"], "script address", url[:_QUOTE])
            return
        version = _SEGMENT.match(segment)
        if version and (key := scripts.get(segments[index - 1].lower() if index else "") or scripts.get(name)):
            yield Trace(key, version[1], "script address", url[:_QUOTE])
            return
    key = scripts.get(name)
    bundled = "/wp-includes/" in parts.path
    if plugin := _PLUGIN.search(parts.path):
        yield Trace(PLUGIN + plugin[1], asked, "address", url[:_QUOTE], "inferred")
    elif key:
        yield Trace(key, asked if bundled else "", "script address", url[:_QUOTE], "inferred")
    elif bundled and asked:
        yield Trace("wordpress:wordpress", asked, "address", url[:_QUOTE], "inferred")


def _asked_version(query: str) -> str:
    """Of "?ver=6.4.2", the way WordPress numbers what it loads."""
    if "ver=" not in query:
        return ""
    value = parse_qs(query, max_num_fields=20).get("ver", [""])[0] if query.count("&") < 20 else ""
    return value if _SEGMENT.match(value) else ""


def in_script(head: str) -> tuple[Trace, ...]:
    """The first comment of a script, where libraries say their name and version."""
    names = technologies.marks().credits
    window = head[:HEAD]
    found: dict[str, Trace] = {}
    for match in _CREDIT.finditer(window):
        before = window[max(0, match.start() - 60) : match.start()]
        before = _FILLER.sub("", _FILLER.sub("", before)).lower()
        words = re.split(r"[\s*/!|(]+", before)[-3:]
        for count in range(len(words), 0, -1):
            key = names.get(" ".join(words[-count:]).strip(" -,"))
            if key and not (key == _COPIED and "lodash" in window):
                shown = " ".join(window[max(0, match.start() - 40) : match.end()].split())
                found.setdefault(key, Trace(key, match[1], "script", shown[-_QUOTE:]))
                break
        if len(found) >= 5:
            break
    return tuple(found.values())


def in_banner(protocol: str, banner: str) -> tuple[Trace, ...]:
    """A port's first bytes, as the evidence keeps them."""
    if banner.startswith("HTTP/"):
        return _in_http_banner(banner)
    lower = banner.lower()
    found: dict[str, Trace] = {}
    for mark, key, protocols in technologies.marks().banners:
        if protocols and protocol not in protocols:
            continue
        at = lower.find(mark)
        if at >= 0 and not (key in found and found[key].version):
            shown = " ".join(banner.split())[:_QUOTE]
            found[key] = Trace(key, _behind(banner, at + len(mark)), "banner", shown)
    if protocol == "mysql":
        found.update(_mysql(banner))
    return tuple(found.values())


def _in_http_banner(banner: str) -> tuple[Trace, ...]:
    head, _, body = banner.replace("\r\n", "\n").partition("\n\n")
    headers = [
        (name.strip().lower(), value.strip())
        for name, separator, value in (line.partition(":") for line in head.split("\n")[1:])
        if separator
    ]
    lower = body.lower()
    json = [
        Trace(key, _behind(body, lower.find(mark) + len(mark)), "banner", " ".join(body.split())[:_QUOTE])
        for mark, key, _ in technologies.marks().banners
        if mark.startswith('"') and mark in lower
    ]
    return (*in_headers(headers), *in_text(body), *json)


_MYSQL = re.compile(r"(?:\\x00|\n)(?:5\.5\.5-)?(\d{1,2}\.\d{1,2}\.\d{1,3}[\w.+~:-]{0,60}?)(?:\\x00|\Z)")


def _mysql(banner: str) -> Iterator[tuple[str, Trace]]:
    """The server version of the initial handshake packet; MariaDB puts "5.5.5-" before its own."""
    if seen := _MYSQL.search(banner):
        key = "mariadb:mariadb" if "mariadb" in seen[1].lower() else "oracle:mysql"
        yield key, Trace(key, seen[1], "banner", seen[1])


def in_name_server(version: str) -> tuple[Trace, ...]:
    """The answer to version.bind (RFC 4892 section 3.1)."""
    lower = version.strip().lower()
    for start, key in technologies.marks().dns:
        if lower.startswith(start):
            text = version.strip()
            number = _behind(text, 0 if start[0].isdigit() else len(start))
            return (Trace(key, number, "version.bind", text[:_QUOTE]),)
    return ()


def called(name: str, version: str, shown: str) -> Iterator[Trace]:
    """What a banner was already read as: a product by the name that it gives itself."""
    key = _CALLED.get(name.strip().lower())
    if key:
        yield Trace(key, _behind(version, 0), "banner", " ".join(shown.split())[:_QUOTE])


_CALLED = {
    "openssh": "openbsd:openssh",
    "dropbear": "dropbear_ssh_project:dropbear_ssh",
    "libssh": "libssh:libssh",
    "proftpd": "proftpd:proftpd",
    "vsftpd": "vsftpd_project:vsftpd",
    "pure-ftpd": "pureftpd:pure-ftpd",
    "filezilla server": "filezilla-project:filezilla_server",
    "exim": "exim:exim",
    "postfix": "postfix:postfix",
    "sendmail": "sendmail:sendmail",
    "dovecot": "dovecot:dovecot",
    "mysql": "oracle:mysql",
    "mariadb": "mariadb:mariadb",
    "postgresql": "postgresql:postgresql",
    "microsoft sql server": "microsoft:sql_server",
    "mongodb": "mongodb:mongodb",
    "redis": "redis:redis",
    "valkey": "lfprojects:valkey",
    "memcached": "memcached:memcached",
    "elasticsearch": "elastic:elasticsearch",
    "opensearch": "amazon:opensearch",
    "couchdb": "apache:couchdb",
    "cassandra": "apache:cassandra",
    "rabbitmq": "broadcom:rabbitmq_server",
    "etcd": "etcd:etcd",
    "docker": "docker:engine",
    "kubernetes": "kubernetes:kubernetes",
    "influxdb": "influxdata:influxdb",
    "consul": "hashicorp:consul",
    "clickhouse": "clickhouse:clickhouse",
}


def _behind(text: str, position: int) -> str:
    """The version that follows at once; "" where none does."""
    seen = _BEHIND.match(text, position)
    return _clean(seen[1]) if seen else ""


def _clean(version: str) -> str:
    """Without what ends a sentence; "" where it is none."""
    kept = version.rstrip(".:-_+~")
    return kept if _VERSION.match(kept) else ""


_PACKAGE = re.compile(r"(?i)[-+~](?:\d|mariadb|redhat|ubuntu|debian|log\b|rpi)")


def upstream(product: str, version: str) -> str:
    """The maker's own version, without what a packager put behind it: 8.1.2 of "8.1.2-1ubuntu2.14"."""
    if product.startswith("citrix:"):  # 13.1-49.13: the build
        return version.replace("-", ".")
    cut = _PACKAGE.search(version)
    return version[: cut.start()] if cut else version
