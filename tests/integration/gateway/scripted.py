"""Services behind a gateway that answer by a script, byte by byte, and keep what reached them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from services.gateway.app import service as gateway
from services.gateway.routing import TABLE
from shared.contracts.principal import Principal
from tests.support.app import Client, principal, running

Script = Callable[["Reached", asyncio.StreamWriter], Awaitable[None]]
CREDENTIAL = "a-credential"
BEARER = {"Authorization": f"Bearer {CREDENTIAL}"}


@dataclass(frozen=True)
class Reached:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


async def plain(_reached: Reached, writer: asyncio.StreamWriter) -> None:
    answer(writer, b"{}")


def answer(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", *headers: str) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@dataclass
class Services:
    """One listener for all services. Introspection knows one credential, `caller`'s; `script` answers the rest."""

    caller: Principal | None = field(default_factory=principal)
    script: Script = plain
    introspect: Script | None = None
    reached: list[Reached] = field(default_factory=list)
    introspected: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                reached = await _read(reader)
                if reached.target == "/internal/introspect":
                    self.introspected += 1
                    await (self.introspect or self._introspect)(reached, writer)
                else:
                    self.reached.append(reached)
                    await self.script(reached, writer)
                await writer.drain()
        writer.close()

    async def _introspect(self, reached: Reached, writer: asyncio.StreamWriter) -> None:
        if self.caller is not None and CREDENTIAL in reached.body.decode():
            answer(writer, self.caller.model_dump_json().encode())
        else:
            answer(writer, b'{"error": "invalid_api_key", "message": "Unknown key."}', "401 Unauthorized")


async def _read(reader: asyncio.StreamReader) -> Reached:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    pairs = [(name, value.strip()) for name, _, value in (item.partition(":") for item in fields)]
    length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
    return Reached(method, target, pairs, await reader.readexactly(length))


@asynccontextmanager
async def behind(services: Services, **settings: Any) -> AsyncIterator[Client]:
    """A gateway alone, with `services` behind it."""
    server = await asyncio.start_server(services.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    urls: dict[str, Any] = {f"{row.service}_url": f"http://127.0.0.1:{port}" for row in TABLE}
    try:
        async with running(gateway, database_url=None, **urls, **settings) as client:
            yield client
    finally:
        server.close()
