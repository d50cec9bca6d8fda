"""What was found at paths that should not be public, and in the site's own scripts."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.parsers.exposures import Kind, Proof
from services.scanner.engine.parsers.secrets import Secret


@dataclass(frozen=True, slots=True)
class PathReply:
    kind: Kind
    path: str
    answer: int | Unseen  # the status
    proof: Proof | None = None  # None where the content is not what the path stands for


@dataclass(frozen=True, slots=True)
class ScriptReply:
    """One of the page's scripts on the site's own hosts."""

    url: str
    answer: int | Unseen
    secrets: tuple[Secret, ...] = ()
    source_map: str = ""  # where its map was served, if it was


@dataclass(frozen=True, slots=True)
class Surface:
    """One origin."""

    origin: str  # "https://www.example.com"
    asset: str
    paths: tuple[PathReply, ...]
    scripts: tuple[ScriptReply, ...]


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
