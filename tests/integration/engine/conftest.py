"""The scan that all live tests of checks compare with."""

import pytest_asyncio

from tests.integration.engine.harness import Scan, scanned
from tests.support.lab import hardened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def baseline() -> Scan:
    """Of the hardened site; made once a worker."""
    return await scanned(hardened("hardened.test"))
