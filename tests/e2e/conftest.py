"""The embedded fleet with the lab as its world, on a loop of its own: shared by the tests here, one xdist group."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
import pytest
from compliancelayer import AsyncComplianceLayer, ComplianceLayer

from shared.postgres import PrivatePostgres
from tests.support import story
from tests.support.fleet import Embedded
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.receiver import Receiver
from tests.support.stripe import FakeStripe

T = TypeVar("T")

WAIT_SECONDS = 30.0
FREE_SCANS = {ComplianceLayer: "hardened.test", AsyncComplianceLayer: "neglected.test"}


@dataclass(frozen=True)
class Account:
    """A customer with an API key."""

    id: int
    email: str
    key: str
    api: httpx.Client

    def get(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()

    def post(self, path: str, **body: Any) -> Any:
        return self.api.post(path, json=body).raise_for_status().json()

    def until(self, path: str, wanted: Callable[[Any], bool]) -> Any:
        """Ask `path` until its answer is as wanted."""
        return until(lambda: self.get(path), wanted)

    def scanned(self, domain: str) -> str:
        """The job of a completed scan."""
        job_id: str = self.post("/v1/scan", domain=domain)["job_id"]
        self.until(f"/v1/scan/jobs/{job_id}", lambda job: job["status"] == "completed")
        return job_id


@dataclass(frozen=True)
class Stage:
    """Everything runs on `loop`, in a thread of its own, so that tests may block."""

    loop: asyncio.AbstractEventLoop
    fleet: Embedded
    lab: Lab
    receiver: Receiver
    database_url: str

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_SECONDS)

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What the database itself holds; JSON is parsed."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.database_url)
            try:
                await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return self.run(fetch())

    @contextmanager
    def account(self, plan: str = "free") -> Iterator[Account]:
        """A new account. Its requests come from an address of its own, through a proxy that the fleet trusts."""
        email = f"{secrets.token_hex(8)}@customer.test"
        address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
        with httpx.Client(base_url=self.fleet.url, headers={"X-Forwarded-For": address}, timeout=WAIT_SECONDS) as api:
            signed_in = api.post("/v1/auth/signup", json={"email": email, "password": "correct horse battery"})
            api.headers["Authorization"] = f"Bearer {signed_in.raise_for_status().json()['token']}"
            key = api.post("/v1/auth/api-keys", json={"name": "tests"}).raise_for_status().json()["key"]
            api.headers["Authorization"] = f"Bearer {key}"
            account = Account(signed_in.json()["user"]["id"], email, key, api)
            if plan != "free":
                self.run(self.fleet.admin("set-plan", email, plan))
                account.until("/v1/auth/me", lambda me: me["plan"] == plan)
            yield account


def until(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Look until it is as wanted. AssertionError with the last sight."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen


@pytest.fixture(scope="session")
def stage(postgres_server: PrivatePostgres) -> Iterator[Stage]:
    name = f"e2e_{uuid4().hex[:12]}"
    asyncio.run(_create_database(postgres_server.owner_url, name))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        yield run(_open(stack, loop, postgres_server.owner_url.replace("@/compliancelayer?", f"@/{name}?")))
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def tireless(stage: Stage) -> Iterator[Account]:
    """An account that no limit stops, signed in: its credential has every scope."""
    windows = ("requests_per_minute", "requests_per_hour", "requests_per_day", "scans_per_month")
    with stage.account("agency") as account:
        stage.rows(
            "update auth.accounts set limits = limits || $1"
            " where id = (select account_id from auth.users where id = $2)",
            dict.fromkeys(windows, 10**6),
            account.id,
        )
        account.until("/v1/usage/limits", lambda limits: limits["requests_per_minute"] == 10**6)
        session = account.post("/v1/auth/login", email=account.email, password="correct horse battery")
        account.api.headers["Authorization"] = f"Bearer {session['token']}"
        yield account


@pytest.fixture(scope="session")
def free_scans(stage: Stage) -> dict[Any, Any]:
    """One by each of the SDK's clients, before a test spends what our address may have of them in an hour."""

    async def scan(domain: str) -> Any:
        async with AsyncComplianceLayer("no key", base_url=stage.fleet.url) as client:
            return await client.free_scan(domain)

    with ComplianceLayer("no key", base_url=stage.fleet.url) as client:
        return {
            ComplianceLayer: client.free_scan(FREE_SCANS[ComplianceLayer]),
            AsyncComplianceLayer: asyncio.run(scan(FREE_SCANS[AsyncComplianceLayer])),
        }


async def _create_database(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"create database {name}")
    await connection.close()


async def _open(stack: AsyncExitStack, loop: asyncio.AbstractEventLoop, database_url: str) -> Stage:
    lab = await stack.enter_async_context(Lab())
    stripe = await stack.enter_async_context(FakeStripe())
    receiver = await stack.enter_async_context(Receiver())
    await lab.serve(*everything())
    settings = story.settings(lab, stripe) | {
        "CL_DATABASE_URL": database_url,
        "CL_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    fleet = await stack.enter_async_context(Embedded(settings))
    return Stage(loop, fleet, lab, receiver, database_url)
