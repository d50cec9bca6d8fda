"""Billing's SQL."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.billing.stripe_webhook import About, StripeEvent
from services.billing.subscriptions import NO_SUBSCRIPTION, Customer, Entitlement, Subscription
from shared.database import Connection


@dataclass(frozen=True)
class DueEvent:
    id: str
    about: About
    attempts: int


# -- customers -------------------------------------------------------------------------------------------------------


async def ensure_customer(
    conn: Connection, account_id: int, *, plan: str, now: datetime, email: str | None = None
) -> Customer:
    """The account's row, locked; made when missing. A known e-mail address stays."""
    await conn.execute(
        """
        INSERT INTO customers (account_id, email, plan, status, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id) DO UPDATE SET email = coalesce(customers.email, $2)
        WHERE customers.deleted_at IS NULL
        """,
        account_id,
        email,
        plan,
        NO_SUBSCRIPTION,
        now,
    )
    [row] = await conn.fetch("SELECT * FROM customers WHERE account_id = $1 FOR UPDATE", account_id)
    return _customer(row)


async def customer_at_stripe(conn: Connection, stripe_customer: str) -> Customer | None:
    """The row, locked; None for a customer that is not ours."""
    row = await conn.fetchrow("SELECT * FROM customers WHERE stripe_customer = $1 FOR UPDATE", stripe_customer)
    return None if row is None else _customer(row)


async def set_stripe_customer(conn: Connection, account_id: int, stripe_customer: str) -> None:
    await conn.execute("UPDATE customers SET stripe_customer = $2 WHERE account_id = $1", account_id, stripe_customer)


async def set_granted_plan(conn: Connection, account_id: int, plan: str) -> None:
    await conn.execute("UPDATE customers SET granted_plan = $2 WHERE account_id = $1", account_id, plan)


async def set_entitlement(conn: Connection, account_id: int, entitlement: Entitlement) -> int:
    """The new version."""
    version: int = await conn.fetchval(
        "UPDATE customers SET plan = $2, status = $3, version = version + 1 WHERE account_id = $1 RETURNING version",
        account_id,
        entitlement.plan,
        entitlement.status,
    )
    return version


async def bury_customer(conn: Connection, account_id: int, now: datetime) -> None:
    await conn.execute("UPDATE customers SET email = NULL, deleted_at = $2 WHERE account_id = $1", account_id, now)


# -- subscriptions ---------------------------------------------------------------------------------------------------


async def subscriptions(conn: Connection, account_id: int) -> list[Subscription]:
    rows = await conn.fetch("SELECT id, plan, status, created_at FROM subscriptions WHERE account_id = $1", account_id)
    return [Subscription(row["id"], row["plan"], row["status"], row["created_at"]) for row in rows]


async def put_subscription(conn: Connection, account_id: int, subscription: Subscription, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO subscriptions (id, account_id, plan, status, created_at, fetched_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET plan = $3, status = $4, fetched_at = $6
        """,
        subscription.id,
        account_id,
        subscription.plan,
        subscription.status,
        subscription.created_at,
        now,
    )


# -- events ----------------------------------------------------------------------------------------------------------


async def add_event(conn: Connection, event: StripeEvent, now: datetime) -> None:
    """Once for each id. An event about no subscription is kept, and done already."""
    await conn.execute(
        """
        INSERT INTO stripe_events (id, type, subscription_id, stripe_customer, received_at, due_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING
        """,
        event.id,
        event.type,
        event.about.subscription if event.about else None,
        event.about.customer if event.about else None,
        now,
        now if event.about else None,
    )


async def due_event(conn: Connection, now: datetime) -> DueEvent | None:
    """The next event to look at, locked, that no other worker holds."""
    row = await conn.fetchrow(
        """
        SELECT id, subscription_id, stripe_customer, attempts FROM stripe_events WHERE due_at <= $1
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        now,
    )
    if row is None:
        return None
    return DueEvent(id=row["id"], about=About(row["subscription_id"], row["stripe_customer"]), attempts=row["attempts"])


async def event_done(conn: Connection, event_id: str, error: str | None = None) -> None:
    """`error`: why it had no effect."""
    await conn.execute("UPDATE stripe_events SET due_at = NULL, error = $2 WHERE id = $1", event_id, error)


async def postpone_event(conn: Connection, event_id: str, due_at: datetime, error: str) -> None:
    await conn.execute(
        "UPDATE stripe_events SET due_at = $2, error = $3, attempts = attempts + 1 WHERE id = $1",
        event_id,
        due_at,
        error,
    )


async def forget(conn: Connection, *, events_before: datetime, customers_before: datetime) -> None:
    """Drop events that are done, and the tombstones of accounts, that are older."""
    await conn.execute("DELETE FROM stripe_events WHERE due_at IS NULL AND received_at < $1", events_before)
    await conn.execute("DELETE FROM customers WHERE deleted_at < $1", customers_before)


def _customer(row: asyncpg.Record) -> Customer:
    return Customer(
        account_id=row["account_id"],
        email=row["email"],
        stripe_customer=row["stripe_customer"],
        granted_plan=row["granted_plan"],
        entitlement=Entitlement(row["plan"], row["status"]),
        version=row["version"],
        deleted=row["deleted_at"] is not None,
    )
