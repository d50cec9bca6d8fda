"""A service is a value; its context is all that it may reach."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from aiohttp import web

from shared.bus import Bus
from shared.cache import Cache
from shared.clock import Clock, Ids
from shared.contracts.plans import Plans
from shared.database import Database
from shared.egress import Egress
from shared.keys import Keys
from shared.metrics import Metrics
from shared.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

# Runs until `stop()` says so; restarted with a back-off when it raises.
Worker = Callable[["Stopping"], Awaitable[None]]


class Stopping:
    """Told to a worker at shutdown: finish or hand back what runs, then return."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """True as soon as the stop was asked for; False after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._event.wait()
        except TimeoutError:
            return False


@dataclass(frozen=True)
class Context(Generic[S]):
    name: str
    settings: S
    own_database: Database | None
    bus: Bus
    cache: Cache
    keys: Keys
    plans: Plans
    egress: Egress
    metrics: Metrics
    clock: Clock
    ids: Ids
    workers: dict[str, Worker] = field(default_factory=dict)  # name -> worker; started last, stopped first

    @property
    def database(self) -> Database:
        """The service's schema. Only a service without migrations has none."""
        if self.own_database is None:
            raise RuntimeError(f"{self.name} owns no schema")
        return self.own_database

    def worker(self, name: str, run: Worker) -> None:
        """Run `run` beside the web server, from readiness until the drain."""
        self.workers[name] = run


@dataclass(frozen=True)
class Service(Generic[S]):
    """What the runtime needs to know of a service."""

    name: str
    settings: type[S]
    create_app: Callable[[Context[S]], web.Application]
    migrations: Path | None = None  # the folder of NNNN_name.sql; None: owns no schema
