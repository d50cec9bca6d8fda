"""Content Security Policy Level 3: policies, and what they let scripts do. https://www.w3.org/TR/CSP3/"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from urllib.parse import unquote

_ASCII_WHITESPACE = "\t\n\f\r "
# Anyone can publish a file there.
_PUBLIC_HOSTS = frozenset((
    "ajax.googleapis.com", "cdn.jsdelivr.net", "cdnjs.cloudflare.com", "unpkg.com", "esm.sh", "cdn.skypack.dev",
    "raw.githubusercontent.com", "gist.githubusercontent.com", "rawgit.com", "cdn.rawgit.com", "storage.googleapis.com",
    "s3.amazonaws.com", "firebasestorage.googleapis.com", "code.angularjs.org", "yandex.st",
))  # fmt: skip
_PUBLIC_SUFFIXES = frozenset((
    "googleapis.com", "amazonaws.com", "cloudfront.net", "azureedge.net", "blob.core.windows.net", "azurewebsites.net",
    "herokuapp.com", "github.io", "gitlab.io", "netlify.app", "vercel.app", "pages.dev", "workers.dev", "web.app",
    "firebaseapp.com", "appspot.com", "fastly.net", "akamaihd.net",
))  # fmt: skip
_WHOLE_FOLDERS = ("/", "/npm/", "/gh/", "/ajax/", "/ajax/libs/")  # paths that narrow a public host down to nothing less
_BROAD_SCHEMES = frozenset(("http:", "https:", "data:", "blob:", "filesystem:"))
_META_IGNORES = frozenset(("report-uri", "frame-ancestors", "sandbox"))  # HTML, section 4.2.5.3
_DEPRECATED = ("reflected-xss", "referrer", "disown-opener", "prefetch-src", "plugin-types", "block-all-mixed-content",
               "require-sri-for", "report-uri")  # fmt: skip
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_HASH = re.compile(r"'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'", re.IGNORECASE)
_NUMERIC_HOST = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[.*\]")
_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\[[^\]]*\]|[^/:]+)(?::(?P<port>\d+|\*))?(?P<path>/.*)?", re.I
)
_POLICIES, _SOURCES, _BROAD = 10, 500, 10  # of one page, of one directive, of one policy: beyond is hostile
_SHORTEST_NONCE = 8  # characters; fewer can be guessed
_STRONG_NONCE = 22  # characters of base64: the 128 bits of section 8.2


@dataclass(frozen=True, slots=True)
class Policy:
    directives: tuple[tuple[str, tuple[str, ...]], ...]  # in order; of a repeated name the first alone counts

    def sources(self, *names: str) -> tuple[str, ...] | None:
        """The source list of the first of `names` that the policy has: the fall-back chain of CSP3, section 6.8.3."""
        present = dict(self.directives)
        return next((present[name] for name in names if name in present), None)

    @property
    def script_sources(self) -> tuple[str, ...] | None:
        return self.sources("script-src-elem", "script-src", "default-src")

    def allows_inline(self) -> bool:
        """No nonce, hash or 'strict-dynamic' takes 'unsafe-inline' back (CSP3, section 6.7.3.2)."""
        handlers = self.sources("script-src-attr", "script-src", "default-src")
        return _all_inline(self.script_sources) or _all_inline(handlers)

    def allows_eval(self) -> bool:
        """CSP3, section 4.4; the list of script-src alone counts, else that of default-src."""
        sources = self.sources("script-src", "default-src")
        return sources is None or _has(sources, "'unsafe-eval'")

    @property
    def nonces(self) -> frozenset[str]:
        """Those that let scripts run."""
        return frozenset(match[1] for source in self.script_sources or () if (match := _NONCE.fullmatch(source)))

    def weak_nonces(self) -> tuple[str, ...]:
        return tuple(sorted(nonce for nonce in self.nonces if len(nonce.rstrip("=")) < _SHORTEST_NONCE))

    def broad_script_sources(self) -> tuple[str, ...]:
        """Those where an attacker can place or find a script; `("no script-src",)` where scripts are not restricted."""
        sources = self.script_sources
        if sources is None:
            return ("no script-src",)
        if _has(sources, "'strict-dynamic'"):
            return ()  # host and scheme sources are then ignored
        evil = _has(sources, "'unsafe-eval'")
        broad = (one for one in sources if is_broad(one) or _anyone_publishes(one) or _bypass(one, evil))
        return tuple(islice(broad, _BROAD))

    def lets_load(self, source: str) -> bool:
        """Whether scripts from some place that `source` (of another policy) names pass this policy too."""
        own = self.script_sources or ()
        return not _has(own, "'strict-dynamic'") and any(_overlap(one, source) for one in own)

    def restricts(self, *names: str) -> bool:
        """One of `names` is set, and not to everything."""
        sources = self.sources(*names)
        return sources is not None and not any(is_broad(source) for source in sources)

    def remarks(self) -> Iterator[str]:
        """What is worth knowing of the policy, though no weakness by itself."""
        scripts = self.script_sources or ()
        keyed = any(_NONCE.fullmatch(source) or _HASH.fullmatch(source) for source in scripts)
        if _has(scripts, "'strict-dynamic'") and not keyed:
            yield "'strict-dynamic' without a nonce or hash blocks every script"
        if _has(scripts, "'unsafe-hashes'"):
            yield "'unsafe-hashes' lets event handlers with these hashes run"
        if _has(scripts, "'wasm-unsafe-eval'"):
            yield "'wasm-unsafe-eval' lets WebAssembly be compiled"
        if any(_SHORTEST_NONCE <= len(nonce.rstrip("=")) < _STRONG_NONCE for nonce in self.nonces):
            yield "a nonce is shorter than 128 bits"
        for name, sources in self.directives:
            if name in _DEPRECATED:
                yield f"{name} is deprecated"
            if any(source.lower().startswith("http://") for source in sources):
                yield f"{name} names sources of plain HTTP"
            if any(_NUMERIC_HOST.fullmatch(_parts(source)[1]) for source in sources):
                yield f"{name} names an IP address, which browsers ignore"
        if "'script'" not in (self.sources("require-trusted-types-for") or ()):
            yield "Trusted Types are not required"


def parse(headers: Iterable[str]) -> tuple[Policy, ...]:
    """The policies of all header lines (a line may hold several, split by commas); empty ones do not count."""
    policies = (policy for line in headers for text in line.split(",") if (policy := _policy(text)))
    return tuple(islice(policies, _POLICIES))


def parse_meta(contents: Iterable[str]) -> tuple[Policy, ...]:
    """Those of `<meta http-equiv>`: each one policy, without the directives that count in a header alone."""
    policies = []
    for content in contents:
        policy = _policy(content)
        kept = (
            tuple(directive for directive in policy.directives if directive[0] not in _META_IGNORES) if policy else ()
        )
        if kept:
            policies.append(Policy(kept))
    return tuple(policies)


def broad_script_sources(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Those from which scripts pass every policy: a script must satisfy all of them (CSP3, section 4.1.2)."""
    restricting = [policy for policy in policies if policy.script_sources is not None]
    if policies and not restricting:
        return ("no script-src",)
    found = {
        source: None
        for policy in restricting
        for source in policy.broad_script_sources()
        if all(other.lets_load(source) for other in restricting if other is not policy)
    }
    return tuple(found)


def is_broad(source: str) -> bool:
    """`*`, a bare scheme, or a wildcard over a whole top-level domain."""
    if source.lower() in _BROAD_SCHEMES:
        return True
    host = _parts(source)[1]
    return host == "*" or (host.startswith("*.") and host.count(".") == 1)


def bypass_known(source: str) -> str:
    """The address known to serve a bypass that the source covers; "" where none is. Dated: see csp_bypasses.json."""
    return _bypass(source, evil=True)


def _policy(text: str) -> Policy | None:
    """CSP3, section 2.2.1, "parse a serialized CSP"; None without a directive."""
    directives: dict[str, tuple[str, ...]] = {}
    for part in text.split(";"):
        tokens = [token for token in re.split(f"[{_ASCII_WHITESPACE}]+", part) if token]
        if tokens and part.isascii():
            directives.setdefault(tokens[0].lower(), tuple(tokens[1 : _SOURCES + 1]))
    return Policy(tuple(directives.items())) if directives else None


def _has(sources: Sequence[str], keyword: str) -> bool:
    return any(source.lower() == keyword for source in sources)


def _all_inline(sources: Sequence[str] | None) -> bool:
    if sources is None:
        return True
    withdrawn = _has(sources, "'strict-dynamic'") or any(
        _NONCE.fullmatch(source) or _HASH.fullmatch(source) for source in sources
    )
    return _has(sources, "'unsafe-inline'") and not withdrawn


def _parts(source: str) -> tuple[str, str, str]:
    """Scheme, host and path of a host source, scheme and host in lower case; ("", "", "") of any other."""
    match = _SOURCE.fullmatch(source)
    if source.startswith("'") or not match:
        return "", "", ""
    return (match["scheme"] or "").lower(), match["host"].lower(), match["path"] or ""


def _anyone_publishes(source: str) -> bool:
    _, host, path = _parts(source)
    if path and path not in _WHOLE_FOLDERS:
        return False  # narrowed to a path
    return host in _PUBLIC_HOSTS or (host.startswith("*.") and host[2:] in _PUBLIC_SUFFIXES)


def _overlap(one: str, other: str) -> bool:
    """Whether two sources have a place in common."""
    if is_broad(one) or is_broad(other):
        wide, narrow = (one, other) if is_broad(one) else (other, one)
        if wide.lower() in ("data:", "blob:", "filesystem:"):
            return narrow.lower() == wide.lower()
        return bool(_parts(narrow)[1]) or narrow.lower() in ("http:", "https:")
    hosts = _parts(one)[1], _parts(other)[1]
    return all(hosts) and (_host_matches(*hosts) or _host_matches(hosts[1], hosts[0]))


def _host_matches(pattern: str, host: str) -> bool:
    """CSP3, section 6.7.2.9: a wildcard stands for one label or more, and not for none."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return host == pattern


def _path_matches(pattern: str, path: str) -> bool:
    """CSP3, section 6.7.2.11: a pattern that ends in a slash covers the folder."""
    if not pattern or (pattern == "/" and not path):
        return True
    if pattern.endswith("/"):
        return unquote(path).startswith(unquote(pattern))
    return unquote(path) == unquote(pattern)


def _bypass(source: str, evil: bool) -> str:
    """`evil`: the policy allows eval, which some of the bypasses need."""
    _, pattern, path = _parts(source)
    if "." not in pattern:
        return ""
    known, needs_eval = _bypasses()
    hosts = (host for host in known if _host_matches(pattern, host)) if pattern.startswith("*.") else (pattern,)
    for host in hosts:
        for scripted, location in known.get(host, ()):
            if _path_matches(path, location) and (evil or scripted or host not in needs_eval):
                return host + location
    return ""


@cache
def _bypasses() -> tuple[Mapping[str, tuple[tuple[bool, str], ...]], frozenset[str]]:
    """By host: (whether it is an Angular library, its path); and the hosts whose JSONP needs eval."""
    table = json.loads((files(__package__) / "csp_bypasses.json").read_text("utf-8"))
    found: dict[str, tuple[tuple[bool, str], ...]] = {}
    for kind in ("jsonp", "angular"):
        for address in table[kind]:
            host, slash, path = address.partition("/")
            found[host] = (*found.get(host, ()), (kind == "angular", slash + path))
    return found, frozenset(table["needs_eval"])
