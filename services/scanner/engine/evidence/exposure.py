"""What was found at paths that should not be public, and in the site's own scripts."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers.exposures import Kind, Proof
from services.scanner.engine.parsers.secrets import Secret
from services.scanner.engine.parsers.technologies import Trace


@dataclass(frozen=True, slots=True)
class PathReply:
    kind: Kind
    path: str
    answer: int | Unseen  # the status
    proof: Proof | None = None  # None where the content is not what the path stands for


@dataclass(frozen=True, slots=True)
class RobotsReply:
    """/robots.txt."""

    answer: int | Unseen
    telling: tuple[str, ...] = ()  # the paths in it that point at something sensitive


@dataclass(frozen=True, slots=True)
class Surface:
    """One origin."""

    origin: str  # "https://www.example.com"
    asset: str
    paths: tuple[PathReply, ...]
    robots: RobotsReply | None = None  # None where it was not asked for
    sparse: str = ""  # why only the gravest paths were asked for; "" where all were


@dataclass(frozen=True, slots=True)
class UnseenSurface:
    """An origin that could not be looked at."""

    asset: str
    reason: Unseen


@dataclass(frozen=True, slots=True)
class Exposure:
    domain: str
    surfaces: tuple[Surface, ...]
    unseen: tuple[UnseenSurface, ...]


@dataclass(frozen=True, slots=True)
class ScriptReply:
    """One of a page's scripts on the domain's own hosts."""

    url: str
    answer: int | Unseen
    secrets: tuple[Secret, ...] = ()
    source_map: str = ""  # where its map was served, if it was
    traces: tuple[Trace, ...] = ()  # of the libraries that name themselves at its beginning


@dataclass(frozen=True, slots=True)
class PageScripts:
    asset: str  # the page's
    scripts: tuple[ScriptReply, ...]


@dataclass(frozen=True, slots=True)
class Scripts:
    pages: tuple[PageScripts, ...]

    def of(self, asset: str) -> tuple[ScriptReply, ...]:
        return tuple(script for page in self.pages if page.asset == asset for script in page.scripts)
