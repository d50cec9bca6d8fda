"""The scan that all live tests of checks compare with."""

import pytest_asyncio

from tests.integration.engine import record
from tests.integration.engine.harness import Scan, scanned_in_peace
from tests.support.lab import hardened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def baseline() -> Scan:
    """Of the hardened site; made once a worker."""
    scan = await scanned_in_peace(hardened("hardened.test"), blind=())
    record.keep(record.expected(check_id, "pass", said) for check_id, said in scan.statuses.items())
    return scan
