"""Paths that should not be public, and the site's own scripts; a soft 404 is calibrated first."""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import urljoin, urlsplit

import aiohttp

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import Exposure, PathReply, ScriptReply, Surface, UnseenSurface
from services.scanner.engine.evidence.http import Http, Service
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import secrets
from services.scanner.engine.parsers.exposures import LIMIT, PATHS, Sensitive
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.http import unlikely_name
from services.scanner.engine.target import Target

CONNECTIONS = 3
GIVE_UP_AFTER = 4  # failures in a row
MAX_SCRIPTS = 8
SCRIPT_LIMIT = 1024 * 1024
_MAP_COMMENT = re.compile(rb"//[#@] ?sourceMappingURL=([^\s\0'\"]{1,500})\s*\Z")
_MAP_CONTENT = re.compile(rb'"(?:mappings|sourcesContent|sources)"\s*:')
_PLAIN = {"Accept-Encoding": "identity", "Range": f"bytes=0-{LIMIT - 1}"}


@probe(budget=14.0)
async def exposure(target: Target, network: Network, http: Http) -> Exposure:
    exchanges = Exchanges(network, seconds=11.0)
    looked = await asyncio.gather(*(_surface(network, exchanges, service, http) for service in _origins(http.services)))
    mute = (UnseenSurface(s.asset, s.chain) for s in http.services if isinstance(s.chain, Unseen))
    return Exposure(
        domain=target.domain,
        surfaces=tuple(surface for surface in looked if isinstance(surface, Surface)),
        unseen=(*(surface for surface in looked if isinstance(surface, UnseenSurface)), *mute),
    )


def _origins(services: Sequence[Service]) -> tuple[Service, ...]:
    """One service a host: HTTPS where it answers, at the first address."""
    chosen: dict[str, Service] = {}
    for service in sorted(services, key=lambda service: service.scheme == "http"):
        if service.chain and not isinstance(service.chain, Unseen):
            chosen.setdefault(service.host, service)
    return tuple(chosen.values())


class _Asker:
    """Asks one origin; once it failed to answer several times in a row, it is left alone."""

    def __init__(self, exchanges: Exchanges, session: aiohttp.ClientSession, service: Service) -> None:
        self._exchanges = exchanges
        self._session = session
        self._address = service.address
        self._origin = f"{service.scheme}://{service.host}/"
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._failures = 0

    async def ask(self, path: str, *, limit: int = LIMIT, plain: bool = True) -> Exchange | Unseen:
        async with self._places:
            if self._failures >= GIVE_UP_AFTER:
                return Unseen("the server stopped answering", "target")
            url = urljoin(self._origin, path)
            reply = await self._exchanges.ask(
                self._session, self._address, url, headers=_PLAIN if plain else None, limit=limit
            ) or Unseen("the port is closed", "target")
            if isinstance(reply, Exchange) and reply.response.status in (429, 503):
                reply = Unseen(f"the server turned the request away with status {reply.response.status}", "target")
            self._failures = self._failures + 1 if isinstance(reply, Unseen) else 0
            return reply


async def _surface(network: Network, exchanges: Exchanges, service: Service, http: Http) -> Surface | UnseenSurface:
    unlikely = unlikely_name("exposure", service.host, http.seen_at.isoformat())
    async with network.http(service.host, service.address, connections=CONNECTIONS) as session:
        asker = _Asker(exchanges, session, service)
        baseline = []
        for path in (f"/{unlikely}", f"/{unlikely}.txt"):
            reply = await asker.ask(path)
            if isinstance(reply, Unseen):
                return UnseenSurface(service.asset, reply)
            baseline.append(reply)
        paths, scripts = await asyncio.gather(
            asyncio.gather(*(_path(asker, sensitive, baseline) for sensitive in PATHS)),
            asyncio.gather(*(_script(asker, url) for url in _own_scripts(http, service))),
        )
    origin = f"{service.scheme}://{service.host}"
    return Surface(origin, service.asset, tuple(paths), tuple(scripts))


async def _path(asker: _Asker, sensitive: Sensitive, baseline: Sequence[Exchange]) -> PathReply:
    reply = await asker.ask(sensitive.path)
    if isinstance(reply, Unseen):
        return PathReply(sensitive.kind, sensitive.path, reply)
    status = reply.response.status
    # What also "proves itself" at a path that cannot exist proves nothing.
    trusted = not any(sensitive.recognise(other.body) for other in baseline)
    # Tomcat's manager and others name themselves while they ask for a password: those are public sign-in pages.
    readable = status in (200, 206) or (sensitive.kind == "admin" and status == 401)
    proof = sensitive.recognise(reply.body) if trusted and readable else None
    return PathReply(sensitive.kind, sensitive.path, status, proof)


def _own_scripts(http: Http, service: Service) -> tuple[str, ...]:
    """The scripts that the host's page loads from the host itself."""
    found: dict[str, None] = {}
    for page in http.pages:
        if page.response.host == service.host and page.document:
            for resource in page.document.loads("script"):
                if urlsplit(resource.url).hostname == service.host and urlsplit(resource.url).scheme == service.scheme:
                    found.setdefault(resource.url)
    return tuple(found)[:MAX_SCRIPTS]


async def _script(asker: _Asker, url: str) -> ScriptReply:
    reply = await asker.ask(url, limit=SCRIPT_LIMIT, plain=False)
    if isinstance(reply, Unseen):
        return ScriptReply(url, reply)
    if reply.response.status != 200:
        return ScriptReply(url, reply.response.status)
    found = await asyncio.to_thread(secrets.keys, reply.body.decode("utf-8", "replace"))
    return ScriptReply(url, 200, found, await _source_map(asker, url, reply))


async def _source_map(asker: _Asker, url: str, script: Exchange) -> str:
    """Where the script's map is served (ECMA-426), on the same host; "" where it is not."""
    comment = _MAP_COMMENT.search(script.body[-1000:])
    named = script.response.header("sourcemap") or (comment[1].decode("utf-8", "replace") if comment else "")
    location = urljoin(url, named) if named and not named.startswith("data:") else ""
    if urlsplit(location).hostname != urlsplit(url).hostname:
        return ""
    reply = await asker.ask(location)
    if isinstance(reply, Unseen) or reply.response.status not in (200, 206):
        return ""
    return location if reply.body.lstrip()[:1] == b"{" and _MAP_CONTENT.search(reply.body) else ""
