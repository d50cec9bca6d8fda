"""A real Chromium and the reports service on a real PostgreSQL."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.reports.app import service
from services.reports.renderer import NAMES, Renderer
from tests.conftest import NEEDS
from tests.support.app import Client, running


@pytest.fixture
def chromium() -> Path:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"{NEEDS}Chromium: apt-get install chromium")
    return Path(found)


@pytest.fixture
async def renderer(chromium: Path) -> AsyncIterator[Renderer]:
    made = Renderer(chromium)
    yield made
    await made.close()


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Client]:
    async with running(service, database_url=database_url, public_url="https://reports.example.com") as client:
        yield client
