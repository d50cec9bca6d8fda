"""The toy service, running on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.support import toy
from tests.support.app import Client, running


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with running(toy.service, database_url=database_url, support_url="https://help.example") as client:
        yield client
