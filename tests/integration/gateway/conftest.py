"""One installation on one lab for all of these tests: each makes accounts of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from shared.postgres import PrivatePostgres
from tests.support.installation import Installation, installation
from tests.support.lab import Lab, hardened
from tests.support.lab.web import WebSpec

ONE_FINDING = replace(hardened("shop.test"), web=WebSpec().set("Referrer-Policy"))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def installed(postgres_server: PrivatePostgres) -> AsyncIterator[Installation]:
    async with Lab() as lab:
        await lab.serve(hardened("hardened.test"), ONE_FINDING)
        async with installation(
            postgres_server, lab, public_url="https://scan.example.com", support_url="mailto:help@example.com"
        ) as running:
            yield running
