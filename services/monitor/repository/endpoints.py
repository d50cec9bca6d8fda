"""Webhook endpoints."""

from datetime import datetime

from asyncpg import Record

from services.monitor.webhooks import Endpoint, EndpointChange, EndpointView, NewEndpoint
from shared.database import Connection

COLUMNS = """id, url, description, enabled_events, is_active, created_at, updated_at, last_delivery_at,
             last_success_at, consecutive_failures"""


def _view(record: Record | None) -> EndpointView:
    assert record is not None  # a row that was found, or that the statement itself made
    return EndpointView.model_validate(dict(record))


async def of_account(conn: Connection, account_id: int) -> list[EndpointView]:
    records = await conn.fetch(
        f"select {COLUMNS} from endpoint where account_id = $1 order by created_at, id", account_id
    )
    return [_view(record) for record in records]


async def find(conn: Connection, account_id: int, endpoint_id: int) -> EndpointView | None:
    record = await conn.fetchrow(
        f"select {COLUMNS} from endpoint where account_id = $1 and id = $2", account_id, endpoint_id
    )
    return _view(record) if record else None


async def insert(
    conn: Connection, endpoint_id: int, account_id: int, new: NewEndpoint, sealed: bytes, now: datetime
) -> EndpointView:
    record = await conn.fetchrow(
        f"""insert into endpoint (id, account_id, url, description, enabled_events, sealed_secret, created_at,
                                  updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, $7) returning {COLUMNS}""",
        endpoint_id,
        account_id,
        new.url,
        new.description,
        list(dict.fromkeys(new.enabled_events)),
        sealed,
        now,
    )
    return _view(record)


async def change(
    conn: Connection, account_id: int, endpoint_id: int, change: EndpointChange, now: datetime
) -> EndpointView | None:
    """Turned on again, it starts with a clean record."""
    record = await conn.fetchrow(
        f"""update endpoint set url = coalesce($3, url), description = coalesce($4, description),
                enabled_events = coalesce($5, enabled_events), is_active = coalesce($6, is_active), updated_at = $7,
                consecutive_failures = case when $6 then 0 else consecutive_failures end,
                failing_since = case when $6 then null else failing_since end
            where account_id = $1 and id = $2 returning {COLUMNS}""",
        account_id,
        endpoint_id,
        change.url,
        change.description,
        list(dict.fromkeys(change.enabled_events)) if change.enabled_events else None,
        change.is_active,
        now,
    )
    return _view(record) if record else None


async def set_secret(conn: Connection, account_id: int, endpoint_id: int, sealed: bytes, now: datetime) -> bool:
    return bool(
        await conn.fetchval(
            """update endpoint set sealed_secret = $3, updated_at = $4 where account_id = $1 and id = $2
               returning true""",
            account_id,
            endpoint_id,
            sealed,
            now,
        )
    )


async def sealed_secret(conn: Connection, endpoint_id: int) -> bytes:
    sealed: bytes = await conn.fetchval("select sealed_secret from endpoint where id = $1", endpoint_id)
    return sealed


async def delete(conn: Connection, account_id: int, endpoint_id: int) -> bool:
    return bool(
        await conn.fetchval(
            "delete from endpoint where account_id = $1 and id = $2 returning true", account_id, endpoint_id
        )
    )


async def listening(conn: Connection, account_id: int, event_type: str) -> list[int]:
    """The endpoints of an account that want this event; none while the account is disabled."""
    records = await conn.fetch(
        """select id from endpoint where account_id = $1 and is_active and $2 = any(enabled_events)
           and not exists (select from account where account.account_id = $1 and disabled)""",
        account_id,
        event_type,
    )
    return [record["id"] for record in records]


async def lock(conn: Connection, endpoint_id: int) -> Endpoint | None:
    """Before its deliveries, so that nobody waits in a circle with its deletion. None: it is gone."""
    record = await conn.fetchrow(
        "select id, account_id, url, is_active, failing_since from endpoint where id = $1 for no key update",
        endpoint_id,
    )
    return Endpoint(**dict(record)) if record else None


async def record_success(conn: Connection, endpoint_id: int, now: datetime) -> None:
    await conn.execute(
        """update endpoint set last_delivery_at = $2, last_success_at = $2, consecutive_failures = 0,
                               failing_since = null where id = $1""",
        endpoint_id,
        now,
    )


async def record_failure(conn: Connection, endpoint_id: int, now: datetime) -> None:
    await conn.execute(
        """update endpoint set last_delivery_at = $2, consecutive_failures = consecutive_failures + 1,
                               failing_since = coalesce(failing_since, $2) where id = $1""",
        endpoint_id,
        now,
    )


async def turn_off(conn: Connection, endpoint_id: int, now: datetime) -> None:
    await conn.execute("update endpoint set is_active = false, updated_at = $2 where id = $1", endpoint_id, now)
