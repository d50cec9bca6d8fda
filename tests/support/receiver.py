"""A webhook receiver: a real HTTP server that keeps what it was sent and checks both signatures."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    def signed_with(self, secret: str) -> bool:
        """Both schemes hold: hex HMAC-SHA256 of the body, and Standard Webhooks."""
        plain = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        standard = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(plain, self.headers["X-ComplianceLayer-Signature"]) and hmac.compare_digest(
            standard, self.headers["webhook-signature"]
        )


@dataclass
class Receiver:
    """`status` is what it answers from now on."""

    status: int = 200
    received: list[Received] = field(default_factory=list)
    url: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def of(self, event_type: str) -> list[Received]:
        return [one for one in self.received if one.event["type"] == event_type]

    async def wait_for(self, wanted: Callable[[Received], bool], timeout: float = 30.0) -> Received:
        """The first delivery that `wanted` accepts, already here or to come. TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                self._news.clear()
                for one in self.received:
                    if wanted(one):
                        return one
                await self._news.wait()

    async def _take(self, request: web.Request) -> web.Response:
        self.received.append(Received(dict(request.headers), await request.read()))
        self._news.set()
        return web.Response(status=self.status)
