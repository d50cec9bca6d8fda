"""One attempt to deliver a webhook: resolved and vetted anew each time, no redirects, a bounded answer."""

import asyncio
import ssl
import time
from collections.abc import Mapping

import aiohttp

from services.monitor.webhooks import Answer
from shared.egress import Egress, Refused

TIMEOUT = 30.0  # seconds, over all
READ_LIMIT = 64 * 1024  # of the answer's body, which is thrown away


class WebhookChannel:
    def __init__(self, egress: Egress, context: ssl.SSLContext) -> None:
        self._session = egress.session(
            connections=100, timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=10), context=context
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST `body`; never raises for what the other side or the network does."""
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                await response.content.read(READ_LIMIT)
                error = None if response.status < 300 else _meaning(response.status)
                return Answer(response.status, error, round((time.monotonic() - started) * 1000))
        except TimeoutError:
            return Answer(None, f"no answer within {TIMEOUT:.0f} seconds")
        except Refused as refused:
            return Answer(None, str(refused))
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            return Answer(None, str(failure)[:500] or type(failure).__name__)


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; register the final URL"
    return f"answered {status}"
