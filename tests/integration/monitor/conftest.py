"""Monitor on an empty database: migrated once a process, emptied for each test."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.database import Database
from shared.migrations import migrate, service_url
from shared.postgres import PrivatePostgres
from tests.support.monitor import MIGRATIONS, Desk

NAME = "monitor_tests"


@pytest.fixture(scope="session")
def monitor_url(postgres_server: PrivatePostgres) -> str:
    """The URL of monitor's own role."""
    url = postgres_server.owner_url.replace("@/compliancelayer?", f"@/{NAME}?")

    async def make() -> None:
        admin = await asyncpg.connect(postgres_server.owner_url)
        await admin.execute(f"create database {NAME}")
        await admin.close()
        await migrate(url, {"monitor": MIGRATIONS}, {"monitor": "secret"})

    asyncio.run(make())
    return service_url(url, "monitor", "secret")


@pytest.fixture
async def desk(monitor_url: str) -> AsyncIterator[Desk]:
    database = await Database.open(monitor_url, schema="monitor")
    async with database.transaction() as conn:
        for table in ("account", "preference", "domain", "endpoint", "mail"):  # the others go with them
            await conn.execute(f"delete from {table}")
    yield Desk(database)
    await database.close()
