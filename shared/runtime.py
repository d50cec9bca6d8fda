"""Runs one service, or several in one process: the same order of start and stop for both."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import structlog
from aiohttp import web

from shared import bus, cache, logging, settings, sockets
from shared.clock import Clock, Ids
from shared.contracts.plans import Plans, load_plans
from shared.database import Database, Unavailable
from shared.egress import Egress, dns_resolver, own_addresses
from shared.health import Health, internal_app
from shared.keys import Keys
from shared.metrics import Metrics
from shared.migrations import MigrationError, migrate, read_passwords, service_url, verify
from shared.postgres import PrivatePostgres
from shared.postgres_programs import PostgresFailed
from shared.service import Context, Service, Stopping
from shared.serving import serve
from shared.settings import FleetSettings, SettingError
from shared.workers import Workers

GATEWAY = "gateway"  # of several services in a process, the one that listens on CL_HOST:CL_PORT

_INTERNAL = "internal"  # the listener of /metrics
_ANSWER_SECONDS = 2.0  # for the database's answer to a readiness question
_WORKERS_SECONDS = 20.0  # for the parts of the drain
_CONSUMERS_SECONDS = 10.0
_REQUESTS_SECONDS = 10.0
_FLUSH_SECONDS = 5.0
_PURGE_EVERY = 3600.0
CANNOT_START = 2  # exit code

_log = structlog.get_logger()


def main(*services: Service[Any], ready: Callable[["Process"], Awaitable[None]] | None = None) -> None:
    """Run `services` until SIGTERM or SIGINT; several of them are a fleet. Exit code 2: cannot start."""
    environ = dict(os.environ)
    try:
        world = settings.load(FleetSettings, environ)
        logging.configure(level=world.log_level, json=world.production)
        strange = settings.unknown(environ, [FleetSettings, *(service.settings for service in services)])
        if strange and len(services) > 1:
            raise SettingError(" ".join(strange))
        for sentence in strange:  # a lone service may share its environment with others
            _log.warning("unknown setting", message=sentence)
        sockets.raise_descriptor_limit()
        asyncio.run(_run_until_told(Process(services, environ, fleet=len(services) > 1), ready))
    except (SettingError, MigrationError, PostgresFailed) as error:
        sys.stderr.write(f"Cannot start. {error}\n")
        sys.exit(CANNOT_START)


async def _run_until_told(process: "Process", ready: Callable[["Process"], Awaitable[None]] | None) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    starting = asyncio.create_task(process.start())
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            if ready is not None:
                await ready(process)
            await waiting
        else:
            starting.cancel()
            await asyncio.wait((starting,))
    finally:
        waiting.cancel()
        await process.stop()


class Process:
    """Services of one process. A fleet makes its own world: PostgreSQL, roles and unix sockets between its services."""

    def __init__(
        self, services: Sequence[Service[Any]], environ: Mapping[str, str], *, fleet: bool, clock: Clock | None = None
    ) -> None:
        self.services = services
        self.metrics = Metrics()
        self.clock = clock or Clock()
        self.urls: dict[str, str] = {}  # service -> where it listens: http://host:port or unix:///path
        self._environ = environ
        self._fleet = fleet
        self._ids = Ids()
        self._health = Health()
        self._workers = Workers()
        self._undo = AsyncExitStack()  # what has been started, undone in the opposite order

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Settings, keys, cache, database, bus, sockets, apps, serving, consumers and workers, ready: in this order.

        SettingError, MigrationError, PostgresFailed: with a sentence for the operator.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Not ready; workers and consumers stop, requests finish, outboxes are flushed, all is closed."""
        self._health.serving = False
        await self._undo.aclose()

    async def _start(self) -> None:
        self.settings = world = settings.load(FleetSettings, self._environ)
        for service in self.services:
            settings.load(service.settings, self._environ)
        self._refuse_what_cannot_work()
        plans = _plans(world)
        self.keys = Keys(world.keys_path, may_make=not world.production, clock=self.clock)
        kept = cache.connect(world.cache_url, prefix="cl:", clock=self.clock, metrics=self.metrics)
        self._undo.push_async_callback(kept.close)
        databases = await self._open_databases()
        events = bus.connect(world.bus_url, clock=self.clock, ids=self._ids, metrics=self.metrics)
        self._undo.push_async_callback(events.close)
        self._undo.push_async_callback(events.flush, _FLUSH_SECONDS)
        self._health.degraded = lambda: [*events.degraded(), *(["cache"] if kept.degraded else [])]
        self._health.needs = {name: partial(_answers, database) for name, database in databases.items()}

        listening = self._bind()
        apps: dict[str, web.Application] = {}
        contexts: list[Context[Any]] = []
        for service in self.services:
            context = Context(
                name=service.name,
                settings=settings.load(service.settings, self._environ, **self._addresses()),
                own_database=databases.get(service.name),
                bus=events.bind(service.name, databases.get(service.name)),
                cache=kept,
                keys=self.keys,
                plans=plans,
                egress=_egress(world),
                metrics=self.metrics,
                clock=self.clock,
                ids=self._ids,
            )
            app = service.create_app(context)
            self._health.add_to(app, [service.name] if service.migrations else [])
            apps[service.name] = app
            contexts.append(context)
        apps[_INTERNAL] = internal_app(self._health, self.metrics)
        for name, app in apps.items():
            self._undo.push_async_callback(await serve(app, listening[name], drain=_REQUESTS_SECONDS))

        await events.start()
        self._undo.push_async_callback(events.drain, _CONSUMERS_SECONDS)
        await events.consume()
        self._undo.push_async_callback(self._workers.stop, _WORKERS_SECONDS)
        self._workers.start("bus", [("retention", partial(_purge, events))])
        for context in contexts:
            self._workers.start(context.name, context.workers.items())
        self._health.serving = True
        _log.info("ready", services=[service.name for service in self.services], urls=self.urls)

    def _refuse_what_cannot_work(self) -> None:
        if self._fleet:
            return
        name = self.services[0].name
        if self.settings.bus_url == bus.LOCAL:
            raise SettingError(
                f"CL_BUS_URL: `local:` joins services within one process, and {name} runs alone. "
                "Set it to amqp://user:password@host/vhost, or run all in one with `python -m services`."
            )
        if self.services[0].migrations is not None and self.settings.database_url is None:
            raise SettingError(
                f"CL_DATABASE_URL: not set, and {name} runs alone. Set it to postgresql://user:password@host/database."
            )

    async def _open_databases(self) -> dict[str, Database]:
        """A pool for each service with a schema. A fleet makes schemas and roles; a lone service verifies its own."""
        migrations = {s.name: s.migrations for s in self.services if s.migrations is not None}
        if not migrations:
            return {}
        url = self.settings.database_url or await self._start_postgres()
        try:
            if self._fleet:
                passwords = _passwords(self.settings, migrations)
                await migrate(url, migrations, passwords)
                urls = {name: service_url(url, name, passwords[name]) for name in migrations}
            else:
                urls = dict.fromkeys(migrations, url)
                for name, folder in migrations.items():
                    await verify(url, name, folder)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise SettingError(
                f"CL_DATABASE_URL: no use can be made of it ({error}). Check address, user and password."
            ) from error
        databases: dict[str, Database] = {}
        for name, own in urls.items():
            databases[name] = await Database.open(own, schema=name)
            self._undo.push_async_callback(databases[name].close)
        return databases

    async def _start_postgres(self) -> str:
        postgres = PrivatePostgres(self.settings.data_dir / "postgres")
        self._undo.push_async_callback(postgres.stop)
        await postgres.start()
        return postgres.owner_url

    def _bind(self) -> dict[str, socket.socket]:
        """Every socket of the process, before anything is built."""
        world = self.settings
        public = GATEWAY if self._fleet else self.services[0].name
        bound: dict[str, socket.socket] = {}
        folder = Path(tempfile.mkdtemp(prefix="cl-")) if self._fleet else None
        if folder is not None:
            self._undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for service in self.services:
            if service.name != public and folder is not None:
                bound[service.name] = sockets.listen_unix(folder / f"{service.name}.sock")
            else:
                bound[service.name] = sockets.listen_tcp(world.host, world.port, setting="CL_PORT")
            self._undo.callback(bound[service.name].close)
        bound[_INTERNAL] = sockets.listen_tcp(world.host, world.metrics_port, setting="CL_METRICS_PORT")
        self._undo.callback(bound[_INTERNAL].close)
        self.urls = {name: sockets.url(sock) for name, sock in bound.items()}
        return bound

    def _addresses(self) -> dict[str, str]:
        """Settings that a fleet knows better than its environment: where its services are."""
        if not self._fleet:
            return {}
        given = {f"{service.name}_url": self.urls[service.name] for service in self.services}
        if GATEWAY in self.urls and "public_url" not in self.settings.model_fields_set:
            given["public_url"] = self.urls[GATEWAY].replace("//0.0.0.0:", "//127.0.0.1:")
        return given


async def apply_migrations(services: Sequence[Service[Any]], environ: Mapping[str, str]) -> None:
    """The one-shot job: schemas, roles and tables of `services` in the database at CL_DATABASE_URL, the owner's."""
    world = settings.load(FleetSettings, environ)
    migrations = {service.name: service.migrations for service in services if service.migrations is not None}
    if world.database_url is None:
        raise SettingError(
            "CL_DATABASE_URL: not set. Set it to the database owner's postgresql://user:password@host/database."
        )
    await migrate(world.database_url, migrations, _passwords(world, migrations))


def _passwords(world: FleetSettings, services: Mapping[str, Path]) -> dict[str, str]:
    path = world.database_passwords_file
    if path is None:
        world.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = world.data_dir / "database-passwords.json"
    return read_passwords(path, services, make=not world.production)


def _plans(world: FleetSettings) -> Plans:
    try:
        plans = load_plans(world.plans_file)
    except (OSError, ValueError) as error:
        raise SettingError(f"CL_PLANS_FILE: {error}. Make it like shared/contracts/plans.toml, or unset it.") from error
    if world.plan_of_new_accounts not in plans:
        raise SettingError(
            f"CL_DEFAULT_PLAN: {world.plan_of_new_accounts!r} is no plan. Set it to one of {', '.join(plans)}."
        )
    return plans


def _egress(world: FleetSettings) -> Egress:
    return Egress(
        allow=world.egress_allow,
        deny=world.egress_deny,
        resolver=dns_resolver(world.dns_servers),
        port_map=world.scan_port_map,
        own=own_addresses(),
    )


async def _answers(database: Database) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS), database.connection() as conn:
            return bool(await conn.fetchval("select true"))
    except (Unavailable, TimeoutError):
        return False


async def _purge(events: bus.MessageBus, stopping: Stopping) -> None:
    while not stopping:
        await events.purge()
        await stopping.wait(_PURGE_EVERY)
