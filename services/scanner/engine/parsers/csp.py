"""Content Security Policy Level 3: policies, and what they let scripts do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_ASCII_WHITESPACE = "\t\n\f\r "
# Anyone can publish a file there, or they carry libraries that run code out of the markup.
_PUBLIC_HOSTS = (
    "ajax.googleapis.com", "cdn.jsdelivr.net", "cdnjs.cloudflare.com", "unpkg.com", "esm.sh", "cdn.skypack.dev",
    "raw.githubusercontent.com", "gist.githubusercontent.com", "rawgit.com", "cdn.rawgit.com", "storage.googleapis.com",
    "s3.amazonaws.com", "firebasestorage.googleapis.com", "code.angularjs.org", "yandex.st",
)  # fmt: skip
_PUBLIC_SUFFIXES = (
    "googleapis.com", "amazonaws.com", "cloudfront.net", "azureedge.net", "blob.core.windows.net", "azurewebsites.net",
    "herokuapp.com", "github.io", "gitlab.io", "netlify.app", "vercel.app", "pages.dev", "workers.dev", "web.app",
    "firebaseapp.com", "appspot.com", "fastly.net", "akamaihd.net",
)  # fmt: skip
_BROAD_SCHEMES = ("http:", "https:", "data:", "blob:", "filesystem:", "ftp:", "ws:", "wss:")


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
        sources = self.sources("script-src", "default-src")
        return sources is None or _has(sources, "'unsafe-eval'")

    def broad_script_sources(self) -> tuple[str, ...]:
        """Those on which an attacker can place a script; `("no script-src",)` where scripts are not restricted."""
        sources = self.script_sources
        if sources is None:
            return ("no script-src",)
        if _has(sources, "'strict-dynamic'"):
            return ()  # host and scheme sources are then ignored
        return tuple(source for source in sources if is_broad(source) or _anyone_publishes(source))

    def restricts(self, *names: str) -> bool:
        """One of `names` is set, and not to everything."""
        sources = self.sources(*names)
        return sources is not None and not any(is_broad(source) for source in sources)


def parse(headers: Iterable[str]) -> tuple[Policy, ...]:
    """The policies of all header lines (a line may hold several, split by commas); empty ones do not count."""
    return tuple(policy for line in headers for policy in _policies(line))


def is_broad(source: str) -> bool:
    """`*`, a bare scheme, or a wildcard over a whole top-level domain."""
    source = source.lower()
    host = source.split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]
    return source in _BROAD_SCHEMES or host == "*" or (host.startswith("*.") and host.count(".") == 1)


def _policies(line: str) -> Iterator[Policy]:
    for text in line.split(","):
        directives: dict[str, tuple[str, ...]] = {}
        for part in text.split(";"):
            tokens = part.strip(_ASCII_WHITESPACE).split()
            if tokens:
                directives.setdefault(tokens[0].lower(), tuple(tokens[1:]))
        if directives:
            yield Policy(tuple(directives.items()))


def _has(sources: Sequence[str], keyword: str) -> bool:
    return any(source.lower() == keyword for source in sources)


def _all_inline(sources: Sequence[str] | None) -> bool:
    if sources is None:
        return True
    lowered = [source.lower() for source in sources]
    withdrawn = any(
        source == "'strict-dynamic'" or source.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-"))
        for source in lowered
    )
    return "'unsafe-inline'" in lowered and not withdrawn


def _anyone_publishes(source: str) -> bool:
    host, _, path = source.lower().split("://", 1)[-1].partition("/")
    host = host.split(":", 1)[0]
    if path:
        return False  # narrowed to a path
    return host in _PUBLIC_HOSTS or (host.startswith("*.") and host[2:] in _PUBLIC_SUFFIXES)
