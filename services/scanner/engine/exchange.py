"""One HTTP exchange after another within one deadline, their failures as evidence."""

import asyncio
import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import DEFAULT_PORTS, Response
from services.scanner.engine.network import Network, fault_of
from shared.egress import Refused

CONNECT_TIMEOUT = 4.0  # TCP and TLS
REQUEST_TIMEOUT = 5.0
MAX_HEADERS = 64 * 1024  # bytes of names and values that are kept of one answer
NO_ANSWER_TO_CONNECT = "nothing answered the attempt to connect"
_COOKIE_VALUE = re.compile(r"^([^=;]*=)[^;]*")


@dataclass(frozen=True, slots=True)
class Exchange:
    response: Response
    body: bytes


class Exchanges:
    """All that one probe asks; once its seconds are spent, every further request is Unseen at once."""

    def __init__(self, network: Network, seconds: float) -> None:
        self._network = network
        self._end = asyncio.get_running_loop().time() + seconds

    @property
    def remaining(self) -> float:
        return self._end - asyncio.get_running_loop().time()

    async def ask(
        self,
        session: aiohttp.ClientSession,
        address: str,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        limit: int = 2 * 1024 * 1024,
    ) -> Exchange | Unseen | None:
        """None where the port is closed. The body is cut at `limit` bytes."""
        seconds = min(REQUEST_TIMEOUT, self.remaining)
        if seconds <= 0:
            return Unseen("the server answered so slowly that the time for it ran out", "target")
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_TIMEOUT, seconds))
        try:
            self._network.contacted.add((address, _port(url)))
            async with (
                asyncio.timeout(seconds),
                session.request(method, url, headers=headers, allow_redirects=False, timeout=timeout) as response,
            ):
                if sum(len(name) + len(value) for name, value in response.raw_headers) > MAX_HEADERS:
                    return Unseen(f"its headers are longer than {MAX_HEADERS} bytes", "target")
                body = await self._network.body(response, limit)
                return Exchange(_response(url, address, response), body)
        except aiohttp.ClientConnectorError as error:
            return _not_connected(error.os_error)
        except aiohttp.ConnectionTimeoutError:
            return Unseen(await self._why_not_connected(address, url), "target")
        except TimeoutError:
            return Unseen(f"no complete answer within {seconds:.0f} s", "target")
        except aiohttp.ClientResponseError as error:
            return Unseen(f"its answer is not valid HTTP: {error.message.partition(':')[0]}", "target")
        except Refused as error:
            return Unseen(str(error), "target")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unseen(f"no HTTP answer: {_sentence(error)}", "target")

    async def _why_not_connected(self, address: str, url: str) -> str:
        """The same timeout is over TCP and TLS; only a port that takes no connection may be a closed one."""
        try:
            await self._network.touch(address, _port(url), timeout=1.0)
        except (OSError, Refused):
            return NO_ANSWER_TO_CONNECT
        return f"no TLS handshake within {CONNECT_TIMEOUT:g} s"


def _port(url: str) -> int:
    """ValueError where a target's address is not one of the web."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"{parts.scheme}: is not asked for")
    return parts.port or DEFAULT_PORTS[parts.scheme]


def _response(url: str, address: str, response: aiohttp.ClientResponse) -> Response:
    headers = tuple(
        (name.decode("latin-1").lower(), _kept(name, value.decode("latin-1"))) for name, value in response.raw_headers
    )
    return Response(url, address, response.status, headers)


def _kept(name: bytes, value: str) -> str:
    """A cookie's value is nobody's business, and may be a session."""
    return _COOKIE_VALUE.sub(r"\1...", value) if name.lower() == b"set-cookie" else value


def _not_connected(error: OSError) -> Unseen | None:
    if error.errno == errno.ECONNREFUSED:
        return None
    return Unseen(f"no connection: {_sentence(error)}", fault_of(error))


def _sentence(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
