"""Monitor on a fresh database."""

import pytest

from tests.conftest import OpenDatabase
from tests.support.monitor import MIGRATIONS, Desk


@pytest.fixture
async def desk(open_database: OpenDatabase) -> Desk:
    return Desk(await open_database("monitor", MIGRATIONS))
