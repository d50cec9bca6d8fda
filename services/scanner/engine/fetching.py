"""One document from a URL: a source that the operator configured, or a place that the target or its CA named."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.http1 import Connection, host_header, request_target
from services.scanner.engine.network import Network, fault_of
from shared.egress import Refused, special_use

_EXCHANGE = 30.0  # seconds; the caller's limit is the shorter one
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Document:
    url: str  # after redirects
    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes


async def fetch(
    network: Network,
    url: str,
    *,
    fault: Fault,
    method: str = "GET",
    data: bytes = b"",
    headers: Mapping[str, str] | None = None,
    redirects: int = 0,
    limit: int = 2 * 1024 * 1024,
    timeout: float = 8.0,
) -> Document | Unseen:
    """Whatever its status; Unseen with `fault` where there is no answer (TLS is verified), or "ours" where there is no
    way out of here. Every hop is resolved by the scan's resolvers and vetted; the body is cut at `limit` bytes.
    """
    try:
        async with asyncio.timeout(timeout):
            for _ in range(redirects + 1):
                answer = await _get(network, url, fault, method, data, headers, limit)
                location = None if isinstance(answer, Unseen) else dict(answer.headers).get("location")
                if isinstance(answer, Unseen) or answer.status not in _REDIRECTS or location is None or not redirects:
                    return answer
                url = urljoin(url, location)
            return Unseen(f"{url} redirects too often", fault)
    except TimeoutError:
        return Unseen(f"{_host(url)} gave no complete answer within {timeout:g} s", fault, silent=True)
    except (OSError, EOFError, ValueError, Refused) as error:
        reason = f"{url[:200]} could not be asked: {(str(error) or type(error).__name__)[:200]}"
        return Unseen(reason, "ours" if fault_of(error) == "ours" else fault)


async def _get(
    network: Network,
    url: str,
    fault: Fault,
    method: str,
    data: bytes,
    headers: Mapping[str, str] | None,
    limit: int,
) -> Document | Unseen:
    host = _host(url)
    addresses = await _addresses(network, host, fault)
    if isinstance(addresses, Unseen):
        return addresses
    parts = urlsplit(url)
    deadline = asyncio.get_running_loop().time() + _EXCHANGE
    sent = {
        "Host": host_header(host, parts.port),
        "User-Agent": network.user_agent,
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "close",
        **(headers or {}),
    }
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    async with network.connect(addresses[0], port, tls=host if secure else None, verified=True) as stream:
        answer = await Connection(stream).exchange(
            method, request_target(url), sent, limit=limit, deadline=deadline, data=data
        )
        return Document(url, answer.status, answer.headers, answer.body)


def _host(url: str) -> str:
    """ValueError where it is no address of the web."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:200]} is no address of the web")
    return parts.hostname.rstrip(".").lower()


async def _addresses(network: Network, host: str, fault: Fault) -> tuple[str, ...] | Unseen:
    """Those that may be contacted, IPv4 first: most scanners have no way by IPv6."""
    if special_use(host):
        return Unseen(f"{host} is no public name", fault)
    try:
        found = [str(ip_address(host))]
    except ValueError:
        answers = await asyncio.gather(network.resolve(host, "A"), network.resolve(host, "AAAA"))
        found = [record.data for answer in answers if not isinstance(answer, Unseen) for record in answer.records]
    allowed = tuple(address for address in found if network.allows(address))
    if allowed:
        return allowed
    return Unseen(f"{host} has no public address" if found else f"{host} does not resolve", fault)
