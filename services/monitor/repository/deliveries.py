"""Deliveries of events to webhook endpoints."""

from collections.abc import Collection
from datetime import datetime, timedelta

from services.monitor.webhooks import Answer, DeliveryView, LeasedDelivery
from shared.database import Connection

COLUMNS = """id, event_id::text, event_type, status, retry_count, created_at, http_status_code, error_message, sent_at,
             delivered_at, failed_at"""


async def insert(
    conn: Connection, delivery_id: int, endpoint_id: int, event_id: str, event_type: str, body: bytes, now: datetime
) -> None:
    await conn.execute(
        """insert into delivery (id, endpoint_id, event_id, event_type, body, status, next_attempt_at, created_at)
           values ($1, $2, $3, $4, $5, 'pending', $6, $6) on conflict (endpoint_id, event_id) do nothing""",
        delivery_id,
        endpoint_id,
        event_id,
        event_type,
        body,
        now,
    )


async def lease(
    conn: Connection, now: datetime, period: timedelta, limit: int, an_endpoint: int, skip: Collection[int] = ()
) -> list[LeasedDelivery]:
    """At most `limit` due deliveries, and `an_endpoint` of one endpoint: a slow one holds up no other.

    Nobody else takes them before `now + period`. `skip`: endpoints that are busy already.
    """
    records = await conn.fetch(
        """with due as (
               select id from (
                   select delivery.id, next_attempt_at,
                          row_number() over (partition by endpoint_id order by next_attempt_at, delivery.id) as place
                   from delivery join endpoint on endpoint.id = endpoint_id and is_active
                   where status = 'pending' and next_attempt_at <= $1 and not endpoint_id = any($5)
               ) ranked where place <= $4 order by next_attempt_at limit $3
           ), leased as (
               update delivery set next_attempt_at = $2
               where id in (select id from delivery where id in (select id from due) and status = 'pending'
                            and next_attempt_at <= $1 for update skip locked)
               returning id, event_id::text, event_type, body, endpoint_id, retry_count, next_attempt_at as leased_until
           )
           select leased.*, endpoint.url, endpoint.sealed_secret as secret
           from leased join endpoint on endpoint.id = endpoint_id""",
        now,
        now + period,
        limit,
        an_endpoint,
        list(skip),
    )
    return [LeasedDelivery(**dict(record)) for record in records]


async def record(
    conn: Connection, delivery: LeasedDelivery, answer: Answer, retry_at: datetime | None, now: datetime
) -> bool:
    """What became of an attempt; a failure without `retry_at` is final. False: the lease was lost, nothing is done."""
    status = "delivered" if answer.success else "pending" if retry_at else "failed"
    return bool(
        await conn.fetchval(
            """update delivery set status = $3::text, retry_count = retry_count + $4,
                                   next_attempt_at = coalesce($5, $8::timestamptz),
                                   http_status_code = $6, error_message = $7, sent_at = $8::timestamptz,
                                   delivered_at = case when $3::text = 'delivered' then $8::timestamptz end,
                                   failed_at = case when $3::text = 'failed' then $8::timestamptz end
               where id = $1 and status = 'pending' and next_attempt_at = $2 returning true""",
            delivery.id,
            delivery.leased_until,
            status,
            int(status == "pending"),
            retry_at,
            answer.status_code,
            answer.error,
            now,
        )
    )


async def of_endpoint(conn: Connection, endpoint_id: int, limit: int) -> list[DeliveryView]:
    """Newest first."""
    records = await conn.fetch(
        f"select {COLUMNS} from delivery where endpoint_id = $1 order by created_at desc, id desc limit $2",
        endpoint_id,
        limit,
    )
    return [DeliveryView.model_validate(dict(record)) for record in records]


async def redeliver(conn: Connection, endpoint_id: int, delivery_id: int, now: datetime) -> DeliveryView | None:
    """The same event with the same bytes, due now with all its retries. An attempt under way no longer counts."""
    record = await conn.fetchrow(
        f"""update delivery set status = 'pending', retry_count = 0, next_attempt_at = $3, delivered_at = null,
                                failed_at = null
            where endpoint_id = $1 and id = $2 returning {COLUMNS}""",
        endpoint_id,
        delivery_id,
        now,
    )
    return DeliveryView.model_validate(dict(record)) if record else None


async def delete_old(conn: Connection, before: datetime) -> None:
    """Those last attempted before then, and those that waited so long for an endpoint that is turned off."""
    await conn.execute("delete from delivery where next_attempt_at < $1", before)
