"""Fixtures for real PostgreSQL, RabbitMQ and Redis, and an environment with none of our settings in it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog

from shared.database import Database
from shared.migrations import migrate, service_url
from shared.postgres import PrivatePostgres
from tests.support import services
from tests.support.bus import RETRY_DELAYS

OpenDatabase = Callable[[str, Path], Awaitable[Database]]

NEEDS = "needs "  # how the reason of a test skipped for want of a service begins

_settings = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("CL_")}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: the workers inherit an environment that is scrubbed already."""
    node.workerinput["settings"] = _settings


def pytest_configure(config: pytest.Config) -> None:
    _settings.update(getattr(config, "workerinput", {}).get("settings", {}))
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, plain])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The very last lines, after pytest's own summary, say what could not be run."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminal.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reason for reason in reasons if reason.startswith(NEEDS)):
        terminal.write_sep("!", f"TESTS WERE NOT RUN: {reason}", red=True, bold=True)


def absent(error: services.Missing) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{NEEDS}{error}", pytrace=False)
    pytest.skip(f"{NEEDS}{error}")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser that the reports service would use."""
    given = {"CL_CHROMIUM_PATH": _settings["CL_CHROMIUM_PATH"]} if "CL_CHROMIUM_PATH" in _settings else {}
    command = [sys.executable, "-m", "services.reports.renderer"]
    found = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    if found.returncode:
        absent(services.Missing(found.stderr.strip()))
    return Path(found.stdout.strip())


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """One PostgreSQL of its own for each pytest process; not durable."""
    server = PrivatePostgres(
        tmp_path_factory.mktemp("postgres"),
        settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"},
    )
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def database_url(postgres_server: PrivatePostgres) -> AsyncIterator[str]:
    """The owner's URL of an empty database, which is dropped after the test."""
    name = f"t_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_server.owner_url)
    try:
        await admin.execute(f"create database {name}")
        yield postgres_server.owner_url.replace("@/compliancelayer?", f"@/{name}?")
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@pytest.fixture
async def open_database(database_url: str) -> AsyncIterator[OpenDatabase]:
    """Migrates a service's schema, and opens it as the service's own role: `await open_database(name, migrations)`."""
    opened: list[Database] = []

    async def open_one(service: str, migrations: Path) -> Database:
        await migrate(database_url, {service: migrations}, {service: "secret"})
        database = await Database.open(service_url(database_url, service, "secret"), schema=service)
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    try:
        with services.rabbitmq(_settings.get("CL_TEST_BUS_URL")) as url:
            yield url
    except services.Missing as error:
        absent(error)


@pytest.fixture
async def amqp_url(rabbitmq_url: str) -> AsyncIterator[str]:
    """A `CL_BUS_URL` on the shared broker, with a prefix of its own; all under it is deleted after the test."""
    url = f"{rabbitmq_url}?prefix=t-{uuid4().hex[:12]}."
    yield url
    await services.remove_topology(url, RETRY_DELAYS)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis that others use too: give every key a prefix of its own, and never flush."""
    try:
        with services.redis(_settings.get("CL_TEST_CACHE_URL")) as url:
            yield url
    except services.Missing as error:
        absent(error)
