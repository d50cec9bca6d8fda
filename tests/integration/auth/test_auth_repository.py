"""What auth's rows do with time and order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.auth import repository
from services.auth.accounts import Account, User
from services.auth.api_keys import ApiKey
from services.auth.app import service
from services.auth.retention import KEYS_KEPT
from shared.contracts.plans import load_plans
from shared.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLANS = load_plans()


@pytest.fixture
async def database(open_database: Any) -> Database:
    opened: Database = await open_database("auth", service.migrations)
    async with opened.transaction() as conn:
        account = Account(1, "free", PLANS["free"].limits, NOW)
        await repository.add_account(conn, account, User(2, 1, "ann@example.test", "hash", NOW))
    return opened


async def test_an_older_plan_never_overwrites_a_newer_one(database: Database) -> None:
    async with database.transaction() as conn:
        for version, plan, in_force in (
            (2, "business", "business"),
            (1, "starter", "business"),
            (2, "starter", "business"),
            (3, "agency", "agency"),
            (1, "free", "agency"),
        ):
            limits = PLANS[plan].limits
            await repository.project_plan(conn, 1, version=version, plan=plan, limits=limits, status="active")
            found = await repository.account(conn, 1)
            assert (found.plan, found.limits) == (in_force, PLANS[in_force].limits)


async def test_what_has_ended_is_forgotten_in_time(database: Database) -> None:
    key = ApiKey(3, 1, 2, "k", b"digest", "cl_...", frozenset(), NOW, NOW + timedelta(days=1))
    async with database.transaction() as conn:
        await repository.add_key(conn, key)
        await repository.add_session(conn, "ses_1", 2, NOW, NOW + timedelta(days=1))
        await repository.add_invite(conn, b"invite", NOW + timedelta(days=1))
        for now, left in (
            (NOW, (1, 1, 1)),
            (NOW + timedelta(days=1), (1, 0, 0)),
            (NOW + timedelta(days=2) + KEYS_KEPT, (0, 0, 0)),
        ):
            await repository.forget(conn, now=now, keys_kept=KEYS_KEPT)
            tables = ("api_keys", "sessions", "invites")
            assert tuple([await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables]) == left


async def test_of_two_changes_of_a_password_one_counts(database: Database) -> None:
    """And a sign-in with the old one, checked before the change, is refused after it."""
    async with database.transaction() as conn:
        user = await repository.user(conn, 2)
        assert user is not None
        assert await repository.lock_password(conn, user)
        assert await repository.change_password(conn, user, "first")
        assert not await repository.change_password(conn, user, "second")
        assert not await repository.lock_password(conn, user)
        changed = await repository.user(conn, 2)
    assert changed is not None
    assert changed.password_hash == "first"


async def test_a_session_ends_at_its_time(database: Database) -> None:
    async with database.transaction() as conn:
        await repository.add_session(conn, "ses_1", 2, NOW, NOW + timedelta(hours=1))
        assert await repository.session_principal(conn, "ses_1", NOW + timedelta(minutes=59)) is not None
        assert await repository.session_principal(conn, "ses_1", NOW + timedelta(hours=1)) is None
