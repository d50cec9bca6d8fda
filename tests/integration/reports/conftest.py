"""A real Chromium and the reports service on a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from services.reports.app import service
from services.reports.renderer import Renderer
from shared.postgres import PrivatePostgres
from tests.support.app import Client, running


@pytest.fixture
async def renderer(chromium: Path) -> AsyncIterator[Renderer]:
    made = Renderer(chromium)
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports(postgres_server: PrivatePostgres) -> AsyncIterator[Client]:
    """One service for a module's tests, since a browser takes long to start: each test uses a domain of its own."""
    name = f"t_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_server.owner_url)
    await admin.execute(f"create database {name}")
    url = postgres_server.owner_url.replace("@/compliancelayer?", f"@/{name}?")
    async with running(service, database_url=url, public_url="https://reports.example.com") as client:
        yield client
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
