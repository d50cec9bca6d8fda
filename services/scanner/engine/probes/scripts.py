"""The pages' scripts on the domain's own hosts: what they hold, and whether their source maps are served."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import PageScripts, ScriptReply, Scripts
from services.scanner.engine.evidence.http import Http, Page
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import secrets, technologies
from services.scanner.engine.parsers.exposures import LIMIT
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.http import address_of
from services.scanner.engine.target import Target

MAX_SCRIPTS = 8  # of one page
SCRIPT_LIMIT = 1024 * 1024
CONNECTIONS = 4
_SMALL = 64 * 1024  # bytes that are searched at once; what is longer, in a thread
_MAP_COMMENT = re.compile(rb"//[#@] ?sourceMappingURL=([^\s\0'\"]{1,500})\s*\Z")
_MAP_CONTENT = re.compile(rb'"(?:mappings|sourcesContent|sources)"\s*:')
_PLAIN = {"Accept-Encoding": "identity", "Range": f"bytes=0-{LIMIT - 1}"}


@probe(budget=12.0)
async def scripts(target: Target, network: Network, http: Http) -> Scripts:
    async with Exchanges(network, seconds=9.0, connections=CONNECTIONS) as exchanges:
        looking = _Looking(network, exchanges)
        pages = {page.asset: page for page in http.pages}
        found = await asyncio.gather(*(looking.page(page, tuple(_own(http, page))) for page in pages.values()))
    return Scripts(tuple(found))


def _own(http: Http, page: Page) -> Iterator[str]:
    loaded = page.document.loads("script") if page.document else ()
    for url in dict.fromkeys(resource.url for resource in loaded):
        try:
            parts = urlsplit(url)
            ours = http.own(parts.hostname or "") and parts.scheme == page.response.scheme and parts.port != 0
        except ValueError:
            continue
        if ours:
            yield url


class _Looking:
    """Each script is asked for once, whatever number of pages loads it."""

    def __init__(self, network: Network, exchanges: Exchanges) -> None:
        self._network = network
        self._exchanges = exchanges
        self._seen: dict[str, ScriptReply] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def page(self, page: Page, urls: tuple[str, ...]) -> PageScripts:
        replies = await asyncio.gather(*(self._once(url, page) for url in urls[:MAX_SCRIPTS]))
        return PageScripts(page.asset, tuple(replies))

    async def _once(self, url: str, page: Page) -> ScriptReply:
        async with self._turns.setdefault(url, asyncio.Lock()):
            if url not in self._seen:
                self._seen[url] = await self._script(url, page)
            return self._seen[url]

    async def _script(self, url: str, page: Page) -> ScriptReply:
        host = urlsplit(url).hostname or ""
        near = page.response.address
        address = near if host == page.response.host else await address_of(self._network, host, near)
        if isinstance(address, Unseen):
            return ScriptReply(url, address)
        if not self._network.allows(address):
            return ScriptReply(url, Unseen(f"{address} is not public, so it is not contacted", "target"))
        reply = await self._exchanges.ask(address, url, limit=SCRIPT_LIMIT)
        if not isinstance(reply, Exchange):
            return ScriptReply(url, reply or Unseen("the port is closed", "target"))
        status = reply.response.status
        if status == 429 or status >= 500:
            return ScriptReply(url, Unseen(f"the server turned the request away with status {status}", "target"))
        if status != 200:
            return ScriptReply(url, status)
        found = await asyncio.to_thread(_keys, reply.body) if len(reply.body) > _SMALL else _keys(reply.body)
        traces = technologies.in_script(reply.body[: technologies.HEAD].decode("utf-8", "replace"))
        return ScriptReply(url, 200, found, await self._source_map(address, url, reply), traces)

    async def _source_map(self, address: str, url: str, script: Exchange) -> str:
        """Where the script's map is served (ECMA-426), on the same host; "" where it is not."""
        comment = _MAP_COMMENT.search(script.body[-1000:])
        headers = script.response.header("sourcemap") or script.response.header("x-sourcemap")
        named = headers or (comment[1].decode("utf-8", "replace") if comment else "")
        try:
            location = urljoin(url, named) if named and not named.startswith("data:") else ""
            if urlsplit(location).hostname != urlsplit(url).hostname:
                return ""
        except ValueError:
            return ""
        reply = await self._exchanges.ask(address, location, headers=_PLAIN, limit=LIMIT)
        if not isinstance(reply, Exchange) or reply.response.status not in (200, 206):
            return ""
        start = reply.body.removeprefix(b")]}'").lstrip()
        return location if start[:1] == b"{" and _MAP_CONTENT.search(reply.body) else ""


def _keys(body: bytes) -> tuple[secrets.Secret, ...]:
    return secrets.keys(body.decode("utf-8", "replace"))
