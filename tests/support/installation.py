"""All six services in this process on an empty database, scanning a lab, with as many accounts as a test asks for."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from services.auth.app import service as auth
from services.billing.app import service as billing
from services.gateway.app import service as gateway
from services.monitor.app import service as monitor
from services.reports.app import service as reports
from services.scanner.app import service as scanner
from shared.postgres import PrivatePostgres
from tests.support.app import Answer, Client, running
from tests.support.lab import Lab

SERVICES = (gateway, auth, billing, scanner, monitor, reports)
PASSWORD = "correct horse battery"
SCAN_SECONDS = 60


@dataclass(frozen=True)
class Caller:
    """Calls the API through the gateway; without a credential, as the public does."""

    client: Client
    credential: str | None = None
    address: str = "198.51.100.1"  # what a trusted proxy says that the client has
    email: str = ""

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"X-Forwarded-For": self.address, **(options.pop("headers", None) or {})}
        if self.credential is not None:
            headers.setdefault("Authorization", f"Bearer {self.credential}")
        return await self.client.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        """The data of an answer that is a success."""
        answer = await self(method, path, **options)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json() if answer.body else None

    async def scanned(self, domain: str) -> str:
        """The id of a scan that has been completed."""
        job = await self.ok("POST", "/v1/scan", json={"domain": domain})
        async with self.client.stream(
            "GET", f"/v1/scan/jobs/{job['job_id']}/events", headers={"Authorization": f"Bearer {self.credential}"}
        ) as response:
            last = (await response.content.read()).rpartition(b"\ndata: ")[2]
        assert orjson.loads(last)["status"] == "completed", last
        return str(job["job_id"])


@dataclass
class Installation:
    """What runs, and how to come by callers. Every account has a client address of its own."""

    client: Client
    database_url: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return self.client.process.urls["gateway"]

    async def execute(self, statement: str, *arguments: Any) -> None:
        """On the database, behind everyone's back."""
        owner = await asyncpg.connect(self.database_url)
        await owner.execute(statement, *arguments)
        await owner.close()

    def stranger(self) -> Caller:
        """Nobody in particular, from an address that no one else has."""
        number = next(self._numbers)
        return Caller(self.client, address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")

    async def account(self, **limits: int | bool) -> Caller:
        """A new account, on the largest plan but for `limits`."""
        stranger = self.stranger()
        email = f"{uuid4().hex[:12]}@customer.test"
        session = await stranger.ok("POST", "/v1/auth/signup", json={"email": email, "password": PASSWORD})
        if limits:
            await self.execute(
                "update auth.accounts set limits = limits || $2::jsonb"
                " where id = (select account_id from auth.users where email = $1)",
                email,
                orjson.dumps(limits).decode(),
            )
        return replace(stranger, credential=session["token"], email=email)


@asynccontextmanager
async def installation(
    postgres: PrivatePostgres, lab: Lab | None = None, **settings: Any
) -> AsyncIterator[Installation]:
    """Started, and gone without a trace afterwards."""
    name = f"t_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres.owner_url)
    await admin.execute(f"create database {name}")
    url = postgres.owner_url.replace("@/compliancelayer?", f"@/{name}?")
    world = {key.removeprefix("CL_").lower(): value for key, value in lab.settings().items()} if lab else {}
    try:
        given: dict[str, Any] = world | {"trusted_proxies": "127.0.0.0/8", "scan_timeout": 6} | settings
        async with running(*SERVICES, database_url=url, **given) as client:
            yield Installation(client, url)
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
