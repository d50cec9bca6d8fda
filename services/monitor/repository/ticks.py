"""The schedule: a tick is a unique row."""

from datetime import datetime

from services.monitor.domains import MonitoredDomain
from services.monitor.repository.domains import COLUMNS, MONITORED, from_record
from shared.database import Connection


async def due(conn: Connection, now: datetime, limit: int) -> list[MonitoredDomain]:
    """Locked until the transaction ends; what another scheduler holds is left to it."""
    records = await conn.fetch(
        f"""select {COLUMNS} from domain where next_scan_at <= $1 and {MONITORED}
            order by next_scan_at limit $2 for no key update skip locked""",
        now,
        limit,
    )
    return [from_record(record) for record in records]


async def insert(conn: Connection, tick_id: int, domain_id: int, scheduled_for: datetime) -> bool:
    """False when this tick was made before."""
    return bool(
        await conn.fetchval(
            """insert into tick (id, domain_id, scheduled_for) values ($1, $2, $3)
               on conflict (domain_id, scheduled_for) do nothing returning true""",
            tick_id,
            domain_id,
            scheduled_for,
        )
    )


async def set_next_scan(conn: Connection, domain_id: int, next_scan_at: datetime) -> None:
    await conn.execute("update domain set next_scan_at = $2 where id = $1", domain_id, next_scan_at)


async def delete_old(conn: Connection, before: datetime) -> None:
    await conn.execute("delete from tick where scheduled_for < $1", before)
