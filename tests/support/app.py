"""Boots services as the fleet does, and calls them as the gateway does."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from shared.clock import Clock
from shared.contracts.plans import load_plans
from shared.contracts.principal import Principal, Scope
from shared.crypto import ASSERTION_HEADER, sign_assertion
from shared.runtime import Process
from shared.service import Service

CLIENT_ADDRESS = "203.0.113.9"


def principal(account_id: int = 1, *, plan: str = "agency", **changes: Any) -> Principal:
    """Somebody with every scope, unless `changes` say otherwise."""
    limits = load_plans()[plan].limits
    given = {"user_id": account_id, "scopes": frozenset(Scope), "plan": plan, "limits": limits}
    return Principal(account_id=account_id, **(given | changes))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Calls one service. `at` turns to another of the same process, `as_principal` to another caller."""

    process: Process
    service: str
    caller: Principal | None = None
    asserted: bool = False
    client: str | None = CLIENT_ADDRESS

    def at(self, service: str) -> "Client":
        return replace(self, service=service)

    def as_principal(self, caller: Principal | None, *, client: str | None = CLIENT_ADDRESS) -> "Client":
        """With the gateway's assertion; None: for a public path or a call of the gateway's own."""
        return replace(self, caller=caller, asserted=True, client=client)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answer:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self.stream(method, path, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(options.pop("headers", None) or {})
        if self.asserted:
            headers[ASSERTION_HEADER] = sign_assertion(
                self.process.keys,
                audience=self.service,
                principal=self.caller,
                client=self.client,
                now=self.process.clock.now(),
            )
        url = self.process.urls[self.service]
        if url.startswith("unix://"):
            connector: aiohttp.BaseConnector = aiohttp.UnixConnector(url.removeprefix("unix://"))
            url = "http://service"
        else:
            connector = aiohttp.TCPConnector()
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, url + path, headers=headers, allow_redirects=False, **options) as response,
        ):
            yield response


@contextmanager
def environment(database_url: str | None, **settings: Any) -> Iterator[dict[str, str]]:
    """Variables for a process on free ports with a data folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="cl-test-") as folder:
        given = {"port": 0, "metrics_port": 0, "data_dir": Path(folder)} | settings
        if database_url is not None:
            given["database_url"] = database_url
        yield {f"CL_{name.upper()}": str(value) for name, value in given.items()}


@asynccontextmanager
async def running(
    *services: Service[Any], database_url: str | None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Client]:
    """`services` in one process on the empty database at `database_url`; a client of the first of them."""
    with environment(database_url, **settings) as environ:
        async with Process(services, environ, fleet=True, clock=clock) as process:
            yield Client(process, services[0].name)
