"""What is there where names lead: a provider's page, a test environment's first page, a silent address."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from services.scanner.engine.evidence.addresses import Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Claim, Destination, Environment, Silence
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.parsers import html, pages, takeover
from services.scanner.engine.probes.subdomains.records import Records, plain
from shared.egress import Refused

_LIMIT = 128 * 1024
_REDIRECTS = 2
_REDIRECT = (301, 302, 303, 307, 308)
_SILENCE = 1.0  # seconds for an attempt to connect, of which there are two
_NOINDEX = re.compile(r"<meta\b[^>]{0,200}\bname=[\"']?(?:robots|googlebot)\b[^>]{0,200}\bnoindex\b", re.IGNORECASE)
_NOINDEX_FIRST = re.compile(
    r"<meta\b[^>]{0,200}\bnoindex\b[^>]{0,200}\bname=[\"']?(?:robots|googlebot)\b", re.IGNORECASE
)
_VOLATILE = re.compile(r"[0-9A-Za-z+/=_-]{16,}|\d+")
# How the reverse names of addresses end that a cloud hands from one customer to the next.
_POOLS = re.compile(
    r"(?:\.compute(?:-1)?\.amazonaws\.com|\.bc\.googleusercontent\.com|\.cloudapp\.azure\.com|\.cloudapp\.net"
    r"|\.linodeusercontent\.com|\.members\.linode\.com|\.vultrusercontent\.com|\.clients\.your-server\.de"
    r"|\.instances\.scw\.cloud|\.vps\.ovh\.(?:net|ca|us)|\.contaboserver\.net)\Z"
)


async def claim(network: Network, exchanges: Exchanges, host: str, alias: Destination) -> Claim | None:
    """None where the alias leads to no provider of the table."""
    provider = takeover.provider(alias.names)
    if provider is None:
        return None
    if alias.missing:
        lost = provider.missing and takeover.provider([alias.missing]) is provider
        return Claim(provider.name, provider.edge_case, "", "NXDOMAIN" if lost else "")
    if alias.unseen:
        return Claim(provider.name, provider.edge_case, "", alias.unseen)
    if not provider.texts or not alias.addresses:
        return Claim(provider.name, provider.edge_case, "", "")
    reply = await _first_page(network, exchanges, host, alias.addresses, ("http", "https"))
    if not isinstance(reply, Exchange):
        reason = reply or Unseen(f"{host} has no web server", "target")
        return Claim(provider.name, provider.edge_case, f"http://{host}/", reason)
    text = pages.decoded(reply.body, reply.response.header("content-type") or "")
    return Claim(provider.name, provider.edge_case, reply.response.url, provider.unclaimed(text))


async def environment(
    network: Network,
    exchanges: Exchanges,
    host: str,
    addresses: Sequence[str],
    word: str,
    production: Callable[[], Awaitable[str | None]],
) -> Environment | Unseen | None:
    """None where it has no web server. `production` gives the page of the domain itself, as `likeness` makes it."""
    reply = await _first_page(network, exchanges, host, addresses, ("https", "http"))
    if not isinstance(reply, Exchange):
        return reply
    response = reply.response
    text = pages.decoded(reply.body, response.header("content-type") or "")
    document = html.parse(text, response.url)
    gate = _gate(reply, text, document)
    same = not gate and likeness(text) == await production()
    return Environment(word, response.url, response.status, document.title, len(reply.body), gate, same)


def _gate(reply: Exchange, text: str, document: html.Document) -> str:
    response = reply.response
    location = urljoin(response.url, response.header("location") or "")
    if response.status in _REDIRECT and location:
        return f"it leads to {urlsplit(location).hostname or location[:100]}"
    if turned_away := pages.turned_away(response.status, response.headers, text):
        return turned_away
    if response.status != 200:
        return f"it answers with status {response.status}"
    if any(form.password for form in document.forms):
        return "it asks for a password"
    if (
        "noindex" in (response.header("x-robots-tag") or "").lower()
        or _NOINDEX.search(text)
        or _NOINDEX_FIRST.search(text)
    ):
        return "it keeps search engines out"
    if product := pages.default_page(text):
        return f"it shows the untouched page of {product}"
    return "" if text.strip() else "its page is empty"


def likeness(page: str) -> str:
    """A page without what differs from answer to answer: tokens, nonces and times."""
    return _VOLATILE.sub("", page)


async def production_page(network: Network, exchanges: Exchanges, domain: Host, www: Host) -> str | None:
    """The page of the domain, or that of its `www.` where it leads there."""
    for host in (domain, www):
        if not host.addresses or isinstance(host.addresses, Unseen):
            continue
        reply = await _first_page(network, exchanges, host.name, host.addresses, ("https", "http"))
        if isinstance(reply, Exchange) and reply.response.status == 200:
            return likeness(pages.decoded(reply.body, reply.response.header("content-type") or ""))
    return None


async def _first_page(
    network: Network, exchanges: Exchanges, host: str, addresses: Sequence[str], schemes: tuple[str, str]
) -> Exchange | Unseen | None:
    """The answer to GET / by the first scheme that gives one, redirects followed as long as they stay on the host."""
    allowed = sorted((one for one in addresses if network.allows(one)), key=lambda one: ip_address(one).version)
    if not allowed:
        return Unseen(f"{host} has no public address", "target")
    reply: Exchange | Unseen | None = None
    for scheme in schemes:
        answer = await exchanges.ask(allowed[0], f"{scheme}://{host}/", limit=_LIMIT)
        for _ in range(_REDIRECTS):
            if not isinstance(answer, Exchange) or answer.response.status not in _REDIRECT:
                break
            location = urljoin(answer.response.url, answer.response.header("location") or "")
            if _host(location) != host or location == answer.response.url:
                break
            answer = await exchanges.ask(allowed[0], location, limit=_LIMIT)
        if isinstance(answer, Exchange):
            return answer
        reply = answer or reply
    return reply


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def silences(network: Network, records: Records, addresses: Sequence[str]) -> tuple[Silence, ...]:
    """Of these addresses the ones of a cloud's pool where nothing answers."""
    found = await asyncio.gather(*(_silence(network, records, address) for address in addresses))
    return tuple(silence for silence in found if silence)


async def _silence(network: Network, records: Records, address: str) -> Silence | None:
    answer = await records.ask(ip_address(address).reverse_pointer, "PTR")
    if isinstance(answer, Unseen) or not answer.records:
        return None
    pointer = plain(answer.records[0].data)
    if not _POOLS.search(pointer):
        return None
    for _ in range(2):
        answers = await asyncio.gather(*(_silent(network, address, port) for port in (443, 80)))
        if not all(answers):
            return None
    return Silence(address, pointer)


async def _silent(network: Network, address: str, port: int) -> bool:
    """Nothing came back, not even a refusal. What our own side made of it is no silence."""
    try:
        await network.touch(address, port, timeout=_SILENCE)
    except TimeoutError:
        return True
    except OSError as error:
        return not isinstance(error, ConnectionRefusedError) and fault_of(error) == "target"
    except Refused:
        return False
    return False
