"""The web servers of the domain and its `www.`: redirects hop by hop, the page at the end, odd requests."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urldefrag, urljoin, urlsplit

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import (
    CorsReply,
    CorsTrick,
    ErrorReply,
    Http,
    Listing,
    Page,
    Response,
    Scheme,
    SecurityTxtReply,
    Service,
)
from services.scanner.engine.exchange import NO_ANSWER_TO_CONNECT, Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import html, malware, pages, secrets, security_txt, technologies
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

MAX_HOPS = 10
MAX_URL = 4096
RESOLVE_TIMEOUT = 4.0
MAX_DIRECTORIES = 3
CONNECTIONS, EACH = 6, 3  # to one address, and to one of its names
FOREIGN_ORIGIN = "https://foreign-origin.example"
SCHEMES: tuple[Scheme, ...] = ("https", "http")
TRACE_MARK = "trace-mark-of-this-scan"
REDIRECTS = (301, 302, 303, 307, 308)
SECURITY_TXT = (".well-known/security.txt", "security.txt")  # RFC 9116, section 3: the second for legacy alone
_HEADERS = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
_SMALL = 32 * 1024  # bytes of a page that are parsed at once; what is longer, in a thread


@probe(budget=14.0)
async def http(target: Target, network: Network, addresses: Addresses) -> Http:
    async with Exchanges(network, seconds=11.0, connections=CONNECTIONS, each=EACH) as exchanges:
        looking = _Looking(network, exchanges)
        walks = await asyncio.gather(
            *(
                looking.service(host.name, address, scheme)
                for host in addresses.web
                for address in _first_of_each_family(host)
                for scheme in SCHEMES
            )
        )
        services = (*(service for service, _ in walks), *_unresolved(addresses))
        found, security_txt = await asyncio.gather(
            asyncio.gather(*(_page(network, exchanges, last) for last in _ends(target, [last for _, last in walks]))),
            looking.security_txt(services),
        )
    return Http(
        domain=target.domain,
        registrable=target.registrable,
        seen_at=network.now(),
        foreign_origin=FOREIGN_ORIGIN,
        services=_closed_where_only_filtered(services),
        pages=tuple(found),
        security_txt=security_txt,
    )


def _unresolved(addresses: Addresses) -> Iterator[Service]:
    """The services of hosts whose addresses could not be found."""
    for host in addresses.web:
        if isinstance(host.addresses, Unseen):
            yield from (Service(host.name, "", scheme, host.addresses) for scheme in SCHEMES)


def _first_of_each_family(host: Host) -> tuple[str, ...]:
    addresses = () if isinstance(host.addresses, Unseen) else host.addresses
    first: dict[int, str] = {}
    for address in addresses:
        first.setdefault(ip_address(address).version, address)
    return tuple(first.values())


class _Looking:
    """GET along redirects; where two chains meet, the page is asked for once."""

    def __init__(self, network: Network, exchanges: Exchanges) -> None:
        self._network = network
        self._exchanges = exchanges
        self._asked: dict[tuple[str, str], Exchange | Unseen | None] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def service(self, host: str, address: str, scheme: Scheme) -> tuple[Service, Exchange | None]:
        """The service, and the last answer of its chain."""
        first = await self._once(address, f"{scheme}://{host}/")
        if not isinstance(first, Exchange):
            return Service(host, address, scheme, first or ()), None
        (chain, last, broken), trace = await asyncio.gather(
            self._follow(first),
            self._exchanges.ask(
                address, first.response.url, method="TRACE", headers={"X-Mark": TRACE_MARK}, limit=65536
            ),
        )
        service = Service(
            host,
            address,
            scheme,
            chain,
            broken,
            trace=trace.response if isinstance(trace, Exchange) else trace,
            trace_echoed=isinstance(trace, Exchange) and TRACE_MARK.encode() in trace.body,
        )
        return service, None if broken else last

    async def _once(self, address: str, url: str) -> Exchange | Unseen | None:
        key = (address, url)
        async with self._turns.setdefault(key, asyncio.Lock()):
            if key not in self._asked:
                self._asked[key] = await self._exchanges.ask(address, url, headers=_HEADERS)
            return self._asked[key]

    async def _follow(self, first: Exchange) -> tuple[tuple[Response, ...], Exchange, Unseen | None]:
        """Each hop's host is resolved and vetted anew; the address family stays where it can."""
        chain, last = [first.response], first
        while (location := _location(last.response)) is not None:
            if len(chain) > MAX_HOPS:
                return tuple(chain), last, Unseen(f"more than {MAX_HOPS} redirects", "target")
            following = await self._get(location, near=last.response)
            if isinstance(following, Unseen):
                reason = f"{location[:200]} was not reached: {following.reason}"
                return tuple(chain), last, Unseen(reason, following.fault)
            chain.append(following.response)
            last = following
        return tuple(chain), last, None

    async def _get(self, url: str, *, near: Response) -> Exchange | Unseen:
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
        except ValueError:
            host = None
        if not host or not host.isascii() or len(url) > MAX_URL:
            return Unseen("it is no http or https address", "target")
        try:
            async with asyncio.timeout(min(RESOLVE_TIMEOUT, max(self._exchanges.remaining, 0))):
                address = near.address if host == near.host else await address_of(self._network, host, near.address)
        except TimeoutError:
            return Unseen(f"the address of {host} was not found in time", "target")
        if isinstance(address, Unseen):
            return address
        if not self._network.allows(address):
            return Unseen(f"{address} is not public, so it is not contacted", "target")
        return await self._once(address, url) or Unseen("the port is closed", "target")

    async def security_txt(self, services: Sequence[Service]) -> SecurityTxtReply | Unseen | None:
        """Asked of the domain first, over HTTPS where it has it (RFC 9116, section 3)."""
        answering = [service for service in services if service.chain and not isinstance(service.chain, Unseen)]
        if not answering:
            return next((service.chain for service in services if isinstance(service.chain, Unseen)), None)
        asked = next((service for service in answering if service.scheme == "https"), answering[0])
        near = Response(f"{asked.scheme}://{asked.host}/", asked.address, 0, ())
        usual, legacy = await asyncio.gather(*(self._security_txt(near, path) for path in SECURITY_TXT))
        if any(isinstance(reply, Unseen) for reply in (usual, legacy)):
            return usual
        return legacy if _found(legacy) and not _found(usual) else usual

    async def _security_txt(self, near: Response, path: str) -> SecurityTxtReply | Unseen:
        first = await self._get(near.url + path, near=near)
        if isinstance(first, Unseen):
            return first
        _, last, broken = await self._follow(first)
        if broken:
            return broken
        text = last.body[:32768].replace(b"\0", b"").decode("utf-8", "replace") if last.response.status == 200 else ""
        return SecurityTxtReply(last.response, text, legacy=path == SECURITY_TXT[1])


def _found(reply: SecurityTxtReply | Unseen) -> bool:
    return isinstance(reply, SecurityTxtReply) and security_txt.looks_like_one(reply.text)


def _location(response: Response) -> str | None:
    values = response.values("location")
    if response.status not in REDIRECTS or not values:
        return None
    try:
        return urldefrag(urljoin(response.url, values[0].strip())).url
    except ValueError:
        return ""


async def address_of(network: Network, host: str, near: str) -> str | Unseen:
    if _is_address(host):
        return host
    family = ip_address(near).version
    answer: Unseen | None = None
    for record_type in ("A", "AAAA") if family == 4 else ("AAAA", "A"):
        reply = await network.resolve(host, record_type)
        if isinstance(reply, Unseen):
            answer = reply
        elif found := [record.data for record in reply.records if record.type == record_type]:
            return found[0]
    return answer or Unseen(f"{host} has no address", "target")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _closed_where_only_filtered(services: Sequence[Service]) -> tuple[Service, ...]:
    """A host that answers on one port and drops connections to the other has that one closed by a firewall."""
    alive = {(service.host, service.address) for service in services if not isinstance(service.chain, Unseen)}
    return tuple(
        replace(service, chain=())
        if (service.host, service.address) in alive
        and isinstance(service.chain, Unseen)
        and service.chain.reason == NO_ANSWER_TO_CONNECT
        else service
        for service in services
    )


def _ends(target: Target, lasts: Sequence[Exchange | None]) -> tuple[Exchange, ...]:
    """The distinct ends of all chains within the registrable domain, one per place and address family."""
    ends: dict[tuple[str, int], Exchange] = {}
    for last in lasts:
        if last and (last.response.host == target.registrable or last.response.host.endswith(f".{target.registrable}")):
            ends.setdefault((last.response.asset, ip_address(last.response.address).version), last)
    return tuple(ends.values())


async def _page(network: Network, exchanges: Exchanges, last: Exchange) -> Page:
    response = last.response
    text, document, keys = await asyncio.to_thread(_read, last) if len(last.body) > _SMALL else _read(last)

    async def ask(path: str, **headers: str) -> Exchange | Unseen:
        url = urljoin(response.url, path)
        sent = {**_HEADERS, **headers}
        reply = await exchanges.ask(response.address, url, headers=sent, limit=pages.WINDOW)
        return reply or Unseen("the port is closed", "target")

    origins = _tricks(response.host)
    cors, tricked, errors, listings = await asyncio.gather(
        ask(response.url, Origin=FOREIGN_ORIGIN),
        asyncio.gather(*(ask(response.url, Origin=origin) for origin in origins.values())),
        asyncio.gather(*(ask(path) for path in _failing_paths(network, response))),
        asyncio.gather(*(ask(path) for path in _directories(document, response))),
    )
    shown = pages.error_details(text)
    root = (Listing(response.url, pages.lists_directory(text)),) if response.status == 200 else ()
    failing = (ErrorReply(response.url, response.status, shown),) if response.status >= 400 else ()
    usual = shown if response.status < 400 else ()
    return Page(
        response,
        document,
        default_of=pages.default_page(text),
        traces=technologies.in_text(text),
        lists_bucket=pages.lists_bucket(text),
        cors=cors.response if isinstance(cors, Exchange) else cors,
        errors=(*failing, *(_error_reply(reply, usual) for reply in errors)),
        listings=(*root, *(_listing(reply) for reply in listings)),
        cors_tricks=tuple(
            _cors(trick, origin, reply) for (trick, origin), reply in zip(origins.items(), tricked, strict=True)
        ),
        turned_away=pages.turned_away(response.status, response.headers, text),
        malicious=malware.inline(text),
        secrets=keys,
    )


def _read(exchange: Exchange) -> tuple[str, html.Document | None, tuple[secrets.Secret, ...]]:
    """The body as text, the page where it is HTML, and the keys in it; up to 2 MiB, in a thread where it is long."""
    declared = exchange.response.header("content-type") or ""
    text = pages.decoded(exchange.body, declared)
    media_type = declared.split(";")[0].strip().lower()
    is_html = media_type in ("text/html", "application/xhtml+xml") if media_type else text.lstrip()[:1] == "<"
    return text, html.parse(text, exchange.response.url) if is_html else None, secrets.keys(text)


def _tricks(host: str) -> dict[CorsTrick, str]:
    """Origins that an attacker can have, each of which a careless comparison with `host` takes for one's own."""
    return {
        "null": "null",
        "suffix": f"https://{host}.{urlsplit(FOREIGN_ORIGIN).hostname}",
        "prefix": f"https://foreign-{host}",
        "plain": f"http://{host}",
    }


def _cors(trick: CorsTrick, origin: str, reply: Exchange | Unseen) -> CorsReply | Unseen:
    if isinstance(reply, Unseen):
        return reply
    header = reply.response.header
    return CorsReply(trick, origin, header("access-control-allow-origin"), header("access-control-allow-credentials"))


def _failing_paths(network: Network, response: Response) -> tuple[str, ...]:
    """One that does not exist, and one whose encoding is broken (and so is its parameter)."""
    return f"/{unlikely_name(response.host, network.now().isoformat())}", "/%FF%FE?page[]=%FF"


def unlikely_name(*seed: str) -> str:
    """A name that no site has a file for, another one for every scan."""
    return sha256(" ".join(seed).encode()).hexdigest()[:20]


def _put_off(reply: Exchange | Unseen) -> Unseen | None:
    """Not answered, or not now."""
    if isinstance(reply, Unseen):
        return reply
    status = reply.response.status
    return Unseen(f"the server turned a request away with status {status}", "target") if status in (429, 503) else None


def _error_reply(reply: Exchange | Unseen, usual: tuple[str, ...]) -> ErrorReply | Unseen:
    """`usual`: what the page itself shows, as one about programming may; no error is behind that."""
    if unseen := _put_off(reply):
        return unseen
    assert isinstance(reply, Exchange)
    text = reply.body.decode("utf-8", "replace")
    details = tuple(detail for detail in pages.error_details(text) if detail not in usual)
    return ErrorReply(reply.response.url, reply.response.status, details, technologies.in_text(text))


def _listing(reply: Exchange | Unseen) -> Listing | Unseen:
    if unseen := _put_off(reply):
        return unseen
    assert isinstance(reply, Exchange)
    text = reply.body.decode("utf-8", "replace")
    return Listing(reply.response.url, reply.response.status == 200 and pages.lists_directory(text))


def _directories(document: html.Document | None, response: Response) -> tuple[str, ...]:
    """Where the page's own scripts, styles and images lie."""
    found: dict[str, None] = {}
    for resource in document.resources if document else ():
        try:
            parts = urlsplit(resource.url)
        except ValueError:
            continue
        directory = parts.path.rpartition("/")[0] + "/"
        if parts.hostname == response.host and directory != "/":
            found.setdefault(directory)
    return tuple(found)[:MAX_DIRECTORIES]
