"""One attempt to deliver a webhook: resolved and vetted anew each time, no redirects, nothing read of the answer."""

import ssl
import time
from datetime import datetime

import aiohttp

from services.monitor import webhooks
from services.monitor.text import one_line
from services.monitor.webhooks import Answer, Delivery
from shared.egress import Egress, Refused
from shared.keys import Sealer

ERROR_LENGTH = 500


class WebhookChannel:
    """At most `connections` attempts at once, each over after `timeout` seconds."""

    def __init__(
        self,
        egress: Egress,
        seal: Sealer,
        context: ssl.SSLContext,
        *,
        allow_http: bool,
        connections: int,
        timeout: float,
    ) -> None:
        self._seal = seal
        self._allow_http = allow_http
        self._timeout = timeout
        self._session = egress.session(
            connections=connections, timeout=aiohttp.ClientTimeout(total=timeout), context=context, reuse=False
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, delivery: Delivery, now: datetime) -> Answer:
        """Sign and POST; never raises for what the other side or the network does."""
        started = time.monotonic()
        try:
            if reason := webhooks.objection(delivery.url, allow_http=self._allow_http):
                return Answer(None, f"its URL {reason}")
            headers = webhooks.headers(self._seal.open(delivery.secret).decode(), delivery, now)
            async with self._session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, _meaning(response.status), round((time.monotonic() - started) * 1000))
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout:.0f} seconds")
        except (Refused, aiohttp.ClientError, OSError, ValueError) as failure:
            return Answer(None, one_line(str(failure), ERROR_LENGTH) or type(failure).__name__)


def _meaning(status: int) -> str | None:
    """What is wrong with an answer; None: it was taken."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; register the final URL"
    return f"answered {status}"
