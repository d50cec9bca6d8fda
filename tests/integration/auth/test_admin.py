"""The operator's commands, run as programs beside a fleet that is up."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.auth.app import service as auth
from services.billing.app import service as billing
from shared.contracts.principal import Principal
from tests.support.app import Answer, Client, running
from tests.support.stripe import FakeStripe


@dataclass(frozen=True)
class Fleet:
    client: Client
    environ: dict[str, str]

    async def admin(self, *arguments: str, status: int = 0) -> str:
        """What `compliancelayer admin` prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from services.commands.admin import admin; admin()",
            *arguments,
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
        assert process.returncode == status, output.decode()
        return output.decode()

    async def login(self, email: str, password: str) -> Answer:
        return await self.client.post("/v1/auth/login", json={"email": email, "password": password})

    async def principal(self, credential: str) -> Principal:
        answer = await self.client.post("/internal/introspect", json={"credential": credential})
        assert answer.status == 200, answer.body
        return Principal.model_validate_json(answer.body)


@asynccontextmanager
async def up(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[Fleet]:
    settings = {"data_dir": folder / "data", "default_plan": "free"} | settings
    environ = {f"CL_{name.upper()}": str(value) for name, value in settings.items()}
    environ |= {"CL_DATABASE_URL": database_url, "PATH": os.defpath}
    async with running(auth, billing, database_url=database_url, **settings) as client:
        yield Fleet(client.as_principal(None), environ)


@pytest.fixture
async def fleet(database_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with up(database_url, tmp_path) as fleet:
        yield fleet


def password_in(output: str) -> str:
    found = re.search(r"password: (\S+)", output)
    assert found
    return found[1]


async def test_an_account_is_made_with_a_plan_and_can_sign_in(fleet: Fleet) -> None:
    password = password_in(await fleet.admin("create-account", "Ann@example.test", "--plan", "business"))
    token = (await fleet.login("ann@example.test", password)).json()["token"]
    async with asyncio.timeout(20):
        while (await fleet.principal(token)).plan != "business":
            await asyncio.sleep(0.05)
    await fleet.admin("set-plan", "ann@example.test", "starter")
    async with asyncio.timeout(20):
        while (await fleet.principal(token)).plan != "starter":
            await asyncio.sleep(0.05)


async def test_a_disabled_account_is_refused(fleet: Fleet) -> None:
    password = password_in(await fleet.admin("create-account", "ann@example.test"))
    token = (await fleet.login("ann@example.test", password)).json()["token"]
    await fleet.admin("disable-account", "ann@example.test")
    disabled = await fleet.principal(token)
    assert disabled.status == "disabled"
    for answer in (
        await fleet.client.as_principal(disabled).get("/v1/auth/api-keys"),
        await fleet.login("ann@example.test", password),
    ):
        assert (answer.status, answer.json()["error"]) == (403, "account_disabled")
    assert (await fleet.login("ann@example.test", "wrong horse")).status == 401


async def test_mistakes_are_explained(fleet: Fleet) -> None:
    assert "no plan" in await fleet.admin("create-account", "ann@example.test", "--plan", "gold", status=2)
    assert "@" in await fleet.admin("create-account", "ann", status=2)
    await fleet.admin("create-account", "ann@example.test")
    assert "already" in await fleet.admin("create-account", "ann@example.test", status=2)
    assert "bob@example.test" in await fleet.admin("disable-account", "bob@example.test", status=2)


async def test_an_invite_makes_one_account(database_url: str, tmp_path: Path) -> None:
    async with up(database_url, tmp_path, signup="invite") as fleet:
        code = (await fleet.admin("create-invite")).split()[0]
        body = {"email": "ann@example.test", "password": "correct horse", "invite_code": code}
        assert (await fleet.client.post("/v1/auth/signup", json=body)).status == 200
        again = await fleet.client.post("/v1/auth/signup", json=body | {"email": "bob@example.test"})
        assert (again.status, again.json()["error"]) == (403, "signup_closed")


async def test_credentials_outlive_one_rotation_of_keys(database_url: str, tmp_path: Path) -> None:
    async with up(database_url, tmp_path, public_url="http://a.test") as fleet:
        first = (await fleet.client.post("/internal/bootstrap")).json()
        token = (await fleet.login(first["email"], first["password"])).json()["token"]
        await fleet.admin("rotate-keys")
    for _ in range(2):  # used after the first rotation, the key has moved to the new pepper before the second
        async with up(database_url, tmp_path, public_url="http://a.test") as fleet:
            await fleet.principal(first["key"])
            await fleet.admin("rotate-keys")
    async with up(database_url, tmp_path, public_url="http://a.test") as fleet:
        answer = await fleet.client.post("/internal/introspect", json={"credential": token})
        assert answer.status == 401  # tokens are not renewed, and two rotations have passed


async def test_a_deleted_account_pays_no_more(database_url: str, tmp_path: Path) -> None:
    async with FakeStripe() as stripe:
        settings = {
            "stripe_secret_key": stripe.secret_key,
            "stripe_webhook_secret": stripe.webhook_secret,
            "stripe_api_base": stripe.url,
        }
        async with up(database_url, tmp_path, **settings) as fleet:
            password = password_in(await fleet.admin("create-account", "ann@example.test"))
            token = (await fleet.login("ann@example.test", password)).json()["token"]
            ann = fleet.client.at("billing").as_principal(await fleet.principal(token))
            session = (await ann.post("/v1/billing/checkout", json={"plan": "starter"})).json()["session_id"]
            subscription = await stripe.complete_checkout(session)
            body, headers = stripe.signed(stripe.events[0])
            webhook = fleet.client.at("billing")
            assert (await webhook.post("/v1/billing/webhook", data=body, headers=headers)).status == 200
            async with asyncio.timeout(20):
                while (await fleet.principal(token)).plan != "starter":
                    await asyncio.sleep(0.05)

            await fleet.admin("delete-account", "ann@example.test", "--yes")
            assert (await fleet.login("ann@example.test", password)).status == 401
            async with asyncio.timeout(20):
                while stripe.subscriptions[subscription]["status"] != "canceled":
                    await asyncio.sleep(0.05)


async def test_there_are_no_dead_letters_to_list_or_replay(fleet: Fleet) -> None:
    assert await fleet.admin("dead-letters", "list") == ""
    assert await fleet.admin("dead-letters", "replay") == "0 delivered again\n"
