"""What the lab starts and must stop again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, Self

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Closable(Protocol):
    async def aclose(self) -> None: ...


class Listener:
    """A TCP listener whose open connections end with it."""

    def __init__(self, connected: Connected) -> None:
        self._connected = connected
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls, connected: Connected, address: str, port: int) -> Self:
        self = cls(connected)
        self._server = await asyncio.start_server(self._serve, address, port)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                await self._connected(reader, writer)
        except asyncio.CancelledError:
            pass  # the listener closes; asyncio would log a cancelled connection as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
