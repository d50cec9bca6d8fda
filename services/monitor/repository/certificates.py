"""The certificates that a timer watches."""

from collections.abc import Sequence
from datetime import datetime

from services.monitor.alerts import Certificate, first_warning
from services.monitor.domains import MonitoredDomain
from services.monitor.repository.domains import COLUMNS, MONITORED, from_record
from shared.database import Connection


async def replace(conn: Connection, domain_id: int, seen: Sequence[Certificate]) -> None:
    """What the newest scan saw; the same certificate keeps the time of its next warning."""
    await conn.execute(
        """delete from certificate where domain_id = $1
           and not exists (select from unnest($2::text[], $3::int[]) seen (host, port)
                           where seen.host = certificate.host and seen.port = certificate.port)""",
        domain_id,
        [certificate.host for certificate in seen],
        [certificate.port for certificate in seen],
    )
    await conn.executemany(
        """insert into certificate (domain_id, host, port, sha256, issuer, not_after, warn_at)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (domain_id, host, port) do update
           set warn_at = case when certificate.sha256 = excluded.sha256 then certificate.warn_at
                              else excluded.warn_at end,
               sha256 = excluded.sha256, issuer = excluded.issuer, not_after = excluded.not_after""",
        [
            (domain_id, one.host, one.port, one.sha256, one.issuer, one.not_after, first_warning(one.not_after))
            for one in seen
        ],
    )


async def due(conn: Connection, now: datetime, limit: int) -> list[tuple[MonitoredDomain, Certificate]]:
    """Certificates with a warning due; locked with their domains, what somebody else holds is left for later."""
    records = await conn.fetch(
        f"""select {", ".join(f"domain.{name.strip()}" for name in COLUMNS.split(","))}, host, port, sha256, issuer,
                   not_after
            from domain join certificate on certificate.domain_id = domain.id
            where warn_at <= $1 and {MONITORED}
            order by warn_at, domain.id, host, port limit $2 for no key update skip locked""",
        now,
        limit,
    )
    found = []
    for record in records:
        values = dict(record)
        certificate = Certificate(
            values["id"], *(values.pop(name) for name in ("host", "port", "sha256", "issuer", "not_after"))
        )
        found.append((from_record(values), certificate))
    return found


async def set_next_warning(conn: Connection, certificate: Certificate, warn_at: datetime | None) -> None:
    await conn.execute(
        "update certificate set warn_at = $4 where domain_id = $1 and host = $2 and port = $3",
        certificate.domain_id,
        certificate.host,
        certificate.port,
        warn_at,
    )
