"""Paths that should not be public; what a path answers that cannot exist is calibrated first."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from posixpath import splitext
from urllib.parse import urlsplit

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import Exposure, PathReply, RobotsReply, Surface, UnseenSurface
from services.scanner.engine.evidence.http import DEFAULT_PORTS
from services.scanner.engine.exchange import NO_ANSWER_TO_CONNECT, Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import pages, robots
from services.scanner.engine.parsers.exposures import LIMIT, MORE_PATHS, PATHS, Sensitive
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.http import REDIRECTS, unlikely_name
from services.scanner.engine.target import Target
from shared.contracts.report import Profile

CONNECTIONS = 6  # to one address
EACH, EACH_SPARSE = 5, 1  # to one of its names
GIVE_UP_AFTER = 4  # failures in a row
SECONDS = {Profile.STANDARD: 11.0, Profile.FULL: 22.0}
_PLAIN = {"Accept-Encoding": "identity", "Range": f"bytes=0-{LIMIT - 1}"}


@probe(budget=25.0)
async def exposure(target: Target, network: Network, profile: Profile, addresses: Addresses) -> Exposure:
    asked = (*PATHS, *(MORE_PATHS if profile == Profile.FULL else ()))
    async with Exchanges(network, SECONDS[profile], connections=CONNECTIONS, each=EACH) as exchanges:
        openings = await asyncio.gather(
            *(_opening(network, exchanges, host.name, host.addresses) for host in addresses.web)
        )
        origins = [opening for opening in openings if isinstance(opening, _Origin)]
        surfaces = await asyncio.gather(
            *(
                _surface(origin, _sparse(origin, origins[:number]), target, asked)
                for number, origin in enumerate(origins)
            )
        )
    unseen = [one for opening in openings for one in (opening.beside if isinstance(opening, _Origin) else opening)]
    return Exposure(domain=target.domain, surfaces=tuple(surfaces), unseen=tuple(unseen))


class _Asker:
    """Asks one origin; once it failed to answer several times in a row, it is left alone."""

    def __init__(self, exchanges: Exchanges, address: str, origin: str) -> None:
        self.origin = origin  # "https://www.example.com"
        self.address = address
        self._exchanges = exchanges
        self.places = asyncio.Semaphore(EACH)
        self._failures = 0

    async def ask(self, path: str) -> Exchange | Unseen | None:
        """None where the port is closed."""
        async with self.places:
            if self._failures >= GIVE_UP_AFTER:
                return Unseen("the server stopped answering", "target")
            reply = await self._exchanges.ask(self.address, self.origin + path, headers=_PLAIN, limit=LIMIT)
            if isinstance(reply, Exchange) and (blocked := _blocked(reply)):
                reply = Unseen(blocked, "target")
            self._failures = 0 if isinstance(reply, Exchange) else self._failures + 1
            return reply


def _blocked(reply: Exchange) -> str:
    response = reply.response
    text = reply.body.decode("latin-1") if response.status != 200 else ""
    return pages.challenge(response.status, response.headers, text)


@dataclass(frozen=True, slots=True)
class _Origin:
    """An origin that answers: its root, and paths that cannot exist."""

    asker: _Asker
    asset: str
    unlikely: str
    root: Exchange
    baseline: tuple[Exchange, ...]
    beside: tuple[UnseenSurface, ...] = ()  # HTTPS of the host, where it takes connections and gives no answer

    @property
    def redirects(self) -> bool:
        return all(reply.response.status in REDIRECTS for reply in (self.root, *self.baseline))

    def answers_as(self, other: "_Origin") -> bool:
        """The same page at the same address: two names of one site."""
        pairs = zip((self.root, *self.baseline), (other.root, *other.baseline), strict=True)
        return (
            self.asker.address == other.asker.address
            and self.root.response.status == 200
            and self.root.body == other.root.body != b""
            and all(one.response.status == two.response.status for one, two in pairs)
        )


async def _opening(
    network: Network, exchanges: Exchanges, host: str, addresses: tuple[str, ...] | Unseen
) -> _Origin | tuple[UnseenSurface, ...]:
    """HTTPS where it answers, at the first address. What could not be seen; () where both ports are closed."""
    if isinstance(addresses, Unseen):
        return tuple(UnseenSurface(f"{host}:{port}", addresses) for port in DEFAULT_PORTS.values())
    askers = {scheme: _Asker(exchanges, addresses[0], f"{scheme}://{host}") for scheme in ("https", "http")}
    roots = dict(zip(askers, await asyncio.gather(*(asker.ask("/") for asker in askers.values())), strict=True))
    scheme = next((scheme for scheme, root in roots.items() if isinstance(root, Exchange)), None)
    if scheme is None:
        return tuple(_mute(host, roots))
    root = roots[scheme]
    assert isinstance(root, Exchange)
    unlikely = unlikely_name("exposure", host, network.now().isoformat())
    asset = f"{host}:{DEFAULT_PORTS[scheme]}"
    replies = await asyncio.gather(
        *(askers[scheme].ask(path) for path in (f"/{unlikely}", f"/{unlikely}.txt", f"/{unlikely}/"))
    )
    baseline = tuple(reply for reply in replies if isinstance(reply, Exchange))
    if len(baseline) < len(replies):
        hidden = next(reply for reply in replies if not isinstance(reply, Exchange))
        return (UnseenSurface(asset, hidden or Unseen("the port closed", "target")),)
    if all(reply.response.status == 403 for reply in (root, *baseline)):
        return (UnseenSurface(asset, Unseen("the server turned the scan away with status 403", "target")),)
    beside = tuple(one for one in _mute(host, roots) if one.reason.reason != NO_ANSWER_TO_CONNECT and scheme == "http")
    return _Origin(askers[scheme], asset, unlikely, root, baseline, beside)


def _mute(host: str, roots: dict[str, Exchange | Unseen | None]) -> Iterator[UnseenSurface]:
    for scheme, root in roots.items():
        if isinstance(root, Unseen):
            yield UnseenSurface(f"{host}:{DEFAULT_PORTS[scheme]}", root)


def _sparse(origin: _Origin, before: Sequence[_Origin]) -> str:
    if origin.redirects:
        return "it redirects every path"
    same = next((other for other in before if not other.redirects and origin.answers_as(other)), None)
    return f"it answers as {same.asset} does, where all paths were asked for" if same else ""


async def _surface(origin: _Origin, sparse: str, target: Target, asked: Sequence[Sensitive]) -> Surface:
    if sparse:
        origin.asker.places = asyncio.Semaphore(EACH_SPARSE)
    chosen = [sensitive for sensitive in asked if sensitive.grave or not sparse]
    names = {"host": urlsplit(origin.asker.origin).hostname or "", "name": target.registrable.partition(".")[0]}
    robots_txt, paths = await asyncio.gather(
        _robots(origin, sparse), asyncio.gather(*(_path(origin, sensitive, names) for sensitive in chosen))
    )
    return Surface(origin.asker.origin, origin.asset, tuple(paths), robots_txt, sparse)


async def _path(origin: _Origin, sensitive: Sensitive, names: dict[str, str]) -> PathReply:
    path = sensitive.path.format(**names)
    reply = await origin.asker.ask(path)
    if not isinstance(reply, Exchange):
        return PathReply(sensitive.kind, path, reply or Unseen("the port closed", "target"))
    status = reply.response.status
    # Tomcat's manager and others name themselves while they ask for a password: those are public sign-in pages.
    readable = status in (200, 206) or (sensitive.kind == "admin" and status == 401)
    proof = sensitive.recognise(reply.body) if readable else None
    # What also "proves itself" at paths that cannot exist proves nothing.
    if proof and not any(sensitive.recognise(other.body) for other in (origin.root, *origin.baseline)):
        sibling = await origin.asker.ask(_sibling(path, origin.unlikely))
        if not isinstance(sibling, Exchange):
            return PathReply(sensitive.kind, path, sibling or Unseen("the port closed", "target"))
        if sibling.response.status != status or not sensitive.recognise(sibling.body):
            return PathReply(sensitive.kind, path, status, proof)
    return PathReply(sensitive.kind, path, status)


def _sibling(path: str, unlikely: str) -> str:
    """A path that cannot exist, in the same folder and with the same ending."""
    path, _, query = path.partition("?")
    folder, _, name = path.rstrip("/").rpartition("/")
    stem, extension = splitext(name)
    made = f"{'.' if stem.startswith('.') else ''}{unlikely}{extension}{'/' if path.endswith('/') else ''}"
    return f"{folder}/{made}{'?' if query else ''}{query}"


async def _robots(origin: _Origin, sparse: str) -> RobotsReply | None:
    if sparse:
        return None
    reply = await origin.asker.ask("/robots.txt")
    if not isinstance(reply, Exchange):
        return RobotsReply(reply or Unseen("the port closed", "target"))
    text = reply.body.decode("utf-8", "replace").replace("\0", "")
    found = reply.response.status in (200, 206) and robots.looks_like_one(text)
    return RobotsReply(reply.response.status, robots.telling_paths(text) if found else ())
