"""What billing's rows do with time and order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.billing import repository
from services.billing.app import service
from services.billing.stripe_webhook import About, StripeEvent
from shared.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def database(open_database: Any) -> Database:
    opened: Database = await open_database("billing", service.migrations)
    return opened


async def test_events_and_tombstones_are_forgotten_but_no_work(database: Database) -> None:
    async with database.transaction() as conn:
        await repository.add_event(conn, StripeEvent("evt_done", "t", livemode=False, about=None), NOW)
        await repository.add_event(conn, StripeEvent("evt_due", "t", livemode=False, about=About("sub", "cus")), NOW)
        for account_id in (1, 2):
            await repository.ensure_customer(conn, account_id, plan="free", now=NOW)
        await repository.bury_customer(conn, 1, NOW)
        for day, events, customers in ((NOW, 2, 2), (NOW + DAY, 1, 1)):
            await repository.forget(conn, events_before=day, customers_before=day)
            assert await conn.fetchval("SELECT count(*) FROM stripe_events") == events
            assert await conn.fetchval("SELECT count(*) FROM customers") == customers
        assert await repository.due_event(conn, NOW) is not None


async def test_a_deleted_account_stays_deleted_when_its_creation_comes_late(database: Database) -> None:
    async with database.transaction() as conn:
        await repository.ensure_customer(conn, 1, plan="free", now=NOW)
        await repository.bury_customer(conn, 1, NOW)
        late = await repository.ensure_customer(conn, 1, plan="free", now=NOW, email="ann@example.test")
    assert late.deleted
    assert late.email is None


async def test_two_workers_never_hold_the_same_event(database: Database) -> None:
    async with database.transaction() as conn:
        await repository.add_event(conn, StripeEvent("evt_1", "t", livemode=False, about=About("sub", "cus")), NOW)
    async with database.transaction() as first, database.transaction() as second:
        assert await repository.due_event(first, NOW) is not None
        assert await repository.due_event(second, NOW) is None
