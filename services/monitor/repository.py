"""Domains, ticks, alerts and deliveries in PostgreSQL. The only file of this service with SQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from asyncpg import Record

from services.monitor.alerts import AlertView, Certificate, NewAlert, Preferences
from services.monitor.domains import DomainChange, MonitoredDomain, NewDomain
from services.monitor.mail import Mail
from services.monitor.webhooks import (
    Answer,
    Delivery,
    DeliveryView,
    EndpointChange,
    EndpointView,
    NewEndpoint,
)
from shared.contracts.report import Severity
from shared.database import Connection

DOMAIN = """id, account_id, domain, scan_frequency, alert_threshold, alert_on_score_drop, alert_on_critical,
            badge_enabled, is_paused, over_limit, version, created_at, next_scan_at, last_score, last_grade,
            last_scanned_at, failing, critical_findings"""
ALERT = """id, alert_type, severity, title, message, is_read, created_at, old_value, new_value, job_id, domain_id,
           domain"""
ENDPOINT = """id, url, description, enabled_events, is_active, created_at, updated_at, last_delivery_at,
              last_success_at, consecutive_failures"""


def _domain(record: Record | None) -> MonitoredDomain:
    assert record is not None  # a row that the statement itself made or locked
    values = dict(record)
    values["critical_findings"] = tuple(values["critical_findings"])
    return MonitoredDomain(**values)


# --- accounts --------------------------------------------------------------------------------------------------


async def set_email(conn: Connection, account_id: int, email: str) -> None:
    await conn.execute(
        """insert into account (account_id, email) values ($1, $2)
           on conflict (account_id) do update set email = excluded.email""",
        account_id,
        email,
    )


async def set_limit(conn: Connection, account_id: int, version: int, limit: int) -> bool:
    """False when a newer version is already known."""
    return bool(
        await conn.fetchval(
            """insert into account (account_id, version, domain_limit) values ($1, $2, $3)
               on conflict (account_id) do update set version = excluded.version, domain_limit = excluded.domain_limit
               where account.version < excluded.version returning true""",
            account_id,
            version,
            limit,
        )
    )


async def disable_account(conn: Connection, account_id: int) -> None:
    await conn.execute(
        """insert into account (account_id, disabled) values ($1, true)
           on conflict (account_id) do update set disabled = true""",
        account_id,
    )


async def email_of(conn: Connection, account_id: int) -> str | None:
    email: str | None = await conn.fetchval("select email from account where account_id = $1", account_id)
    return email


async def delete_account(conn: Connection, account_id: int) -> None:
    for table in ("domain", "endpoint", "preference", "account"):
        await conn.execute(f"delete from {table} where account_id = $1", account_id)


# --- domains ---------------------------------------------------------------------------------------------------


async def lock_account(conn: Connection, account_id: int) -> None:
    """Change an account's domains and endpoints one at a time, so that its limits hold exactly."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended('monitor.account', $1))", account_id)


async def domains(conn: Connection, account_id: int) -> list[MonitoredDomain]:
    records = await conn.fetch(f"select {DOMAIN} from domain where account_id = $1 order by domain", account_id)
    return [_domain(record) for record in records]


async def domain_count(conn: Connection, account_id: int) -> int:
    count: int = await conn.fetchval("select count(*) from domain where account_id = $1", account_id)
    return count


async def domain(conn: Connection, account_id: int, domain_id: int) -> MonitoredDomain | None:
    record = await conn.fetchrow(
        f"select {DOMAIN} from domain where account_id = $1 and id = $2 for update", account_id, domain_id
    )
    return _domain(record) if record else None


async def domain_by_name(conn: Connection, account_id: int, name: str) -> MonitoredDomain | None:
    record = await conn.fetchrow(
        f"select {DOMAIN} from domain where account_id = $1 and domain = $2 for update", account_id, name
    )
    return _domain(record) if record else None


async def insert_domain(
    conn: Connection, domain_id: int, account_id: int, new: NewDomain, now: datetime
) -> MonitoredDomain:
    """Its first scan is due at once."""
    record = await conn.fetchrow(
        f"""insert into domain (id, account_id, domain, scan_frequency, alert_threshold, alert_on_score_drop,
                                alert_on_critical, badge_enabled, created_at, next_scan_at)
            values ($1, $2, $3, $4, $5, $6, $7, false, $8, $8) returning {DOMAIN}""",
        domain_id,
        account_id,
        new.domain,
        new.scan_frequency,
        new.alert_threshold,
        new.alert_on_score_drop,
        new.alert_on_critical,
        now,
    )
    return _domain(record)


async def change_domain(
    conn: Connection, domain_id: int, change: DomainChange, next_scan_at: datetime
) -> MonitoredDomain:
    record = await conn.fetchrow(
        f"""update domain set scan_frequency = coalesce($2, scan_frequency),
                alert_threshold = coalesce($3, alert_threshold),
                alert_on_score_drop = coalesce($4, alert_on_score_drop),
                alert_on_critical = coalesce($5, alert_on_critical),
                badge_enabled = coalesce($6, badge_enabled), is_paused = coalesce($7, is_paused),
                next_scan_at = $8, version = version + 1
            where id = $1 returning {DOMAIN}""",
        domain_id,
        change.scan_frequency,
        change.alert_threshold,
        change.alert_on_score_drop,
        change.alert_on_critical,
        change.badge_enabled,
        change.is_paused,
        next_scan_at,
    )
    return _domain(record)


async def delete_domain(conn: Connection, domain_id: int) -> None:
    await conn.execute("delete from domain where id = $1", domain_id)


async def pause_over_limit(conn: Connection, account_id: int, limit: int) -> None:
    """The oldest domains stay within a smaller plan; the rest wait for a larger one."""
    await conn.execute(
        """update domain set over_limit = ranked.place > $2
           from (select id, row_number() over (order by created_at, id) as place
                 from domain where account_id = $1) ranked
           where domain.id = ranked.id""",
        account_id,
        limit,
    )


async def record_scan(
    conn: Connection, domain_id: int, score: int, grade: str, scanned_at: datetime, critical: Sequence[str]
) -> None:
    await conn.execute(
        """update domain set last_score = $2, last_grade = $3, last_scanned_at = $4, critical_findings = $5,
                             failing = false
           where id = $1""",
        domain_id,
        score,
        grade,
        scanned_at,
        list(critical),
    )


async def record_failure(conn: Connection, domain_id: int) -> None:
    await conn.execute("update domain set failing = true where id = $1", domain_id)


# --- schedule --------------------------------------------------------------------------------------------------


async def due_domains(conn: Connection, now: datetime, limit: int) -> list[MonitoredDomain]:
    """Locked until the transaction ends; what another scheduler holds is left to it."""
    records = await conn.fetch(
        f"""select {DOMAIN} from domain
            where next_scan_at <= $1 and not is_paused and not over_limit
              and not exists (select from account where account.account_id = domain.account_id and disabled)
            order by next_scan_at limit $2 for update skip locked""",
        now,
        limit,
    )
    return [_domain(record) for record in records]


async def insert_tick(
    conn: Connection, tick_id: int, domain_id: int, scheduled_for: datetime, late_by: timedelta
) -> bool:
    """False when this tick was made before."""
    return bool(
        await conn.fetchval(
            """insert into tick (id, domain_id, scheduled_for, late_by_seconds) values ($1, $2, $3, $4)
               on conflict (domain_id, scheduled_for) do nothing returning true""",
            tick_id,
            domain_id,
            scheduled_for,
            late_by.total_seconds(),
        )
    )


async def set_next_scan(conn: Connection, domain_id: int, next_scan_at: datetime) -> None:
    await conn.execute("update domain set next_scan_at = $2 where id = $1", domain_id, next_scan_at)


# --- certificates ----------------------------------------------------------------------------------------------


async def replace_certificates(conn: Connection, domain_id: int, certificates: Iterable[Certificate]) -> None:
    """What the newest scan saw; the same certificate keeps the warning already given."""
    kept = list(certificates)
    await conn.execute(
        """delete from certificate where domain_id = $1
           and not exists (select from unnest($2::text[], $3::int[]) seen (host, port)
                           where seen.host = certificate.host and seen.port = certificate.port)""",
        domain_id,
        [certificate.host for certificate in kept],
        [certificate.port for certificate in kept],
    )
    await conn.executemany(
        """insert into certificate (domain_id, host, port, sha256, issuer, not_after) values ($1, $2, $3, $4, $5, $6)
           on conflict (domain_id, host, port) do update
           set warned_days = case when certificate.sha256 = excluded.sha256 then certificate.warned_days end,
               sha256 = excluded.sha256, issuer = excluded.issuer, not_after = excluded.not_after""",
        [
            (
                domain_id,
                certificate.host,
                certificate.port,
                certificate.sha256,
                certificate.issuer,
                certificate.not_after,
            )
            for certificate in kept
        ],
    )


async def ending_certificates(
    conn: Connection, before: datetime, limit: int
) -> list[tuple[MonitoredDomain, Certificate]]:
    """Certificates that end before `before` and whose last warning is not the last there is; locked."""
    records = await conn.fetch(
        """select certificate.* from certificate
           where not_after < $1 and (warned_days is null or warned_days > 0)
           order by not_after limit $2 for update skip locked""",
        before,
        limit,
    )
    found = []
    for record in records:
        owner = await conn.fetchrow(f"select {DOMAIN} from domain where id = $1", record["domain_id"])
        if owner:
            found.append((_domain(owner), Certificate(**dict(record))))
    return found


async def set_warned(conn: Connection, certificate: Certificate, days: int) -> None:
    await conn.execute(
        "update certificate set warned_days = $4 where domain_id = $1 and host = $2 and port = $3",
        certificate.domain_id,
        certificate.host,
        certificate.port,
        days,
    )


# --- alerts ----------------------------------------------------------------------------------------------------


async def insert_alert(conn: Connection, alert_id: int, owner: MonitoredDomain, alert: NewAlert, now: datetime) -> bool:
    """False when the same cause has raised it before."""
    return bool(
        await conn.fetchval(
            """insert into alert (id, account_id, domain_id, domain, alert_type, severity, title, message, old_value,
                                  new_value, job_id, created_at, cause)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               on conflict (domain_id, cause) do nothing returning true""",
            alert_id,
            owner.account_id,
            owner.id,
            owner.domain,
            alert.alert_type,
            alert.severity,
            alert.title,
            alert.message,
            alert.old_value,
            alert.new_value,
            alert.job_id,
            now,
            alert.cause,
        )
    )


async def alerts(
    conn: Connection,
    account_id: int,
    *,
    limit: int,
    unread_only: bool = False,
    severity: Severity | None = None,
    domain_id: int | None = None,
    before: tuple[datetime, int] | None = None,
) -> list[AlertView]:
    """Newest first; `before` is the place of the last one of the page before."""
    records = await conn.fetch(
        f"""select {ALERT} from alert
            where account_id = $1 and (not $2 or not is_read) and ($3::text is null or severity = $3)
              and ($4::bigint is null or domain_id = $4)
              and ($5::timestamptz is null or (created_at, id) < ($5, $6::bigint))
            order by created_at desc, id desc limit $7""",
        account_id,
        unread_only,
        severity,
        domain_id,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [AlertView.model_validate(dict(record)) for record in records]


async def mark_read(conn: Connection, account_id: int, alert_id: int) -> AlertView | None:
    record = await conn.fetchrow(
        f"update alert set is_read = true where account_id = $1 and id = $2 returning {ALERT}", account_id, alert_id
    )
    return AlertView.model_validate(dict(record)) if record else None


async def mark_all_read(conn: Connection, account_id: int) -> int:
    result: str = await conn.execute(
        "update alert set is_read = true where account_id = $1 and not is_read", account_id
    )
    return int(result.removeprefix("UPDATE "))


async def preferences(conn: Connection, account_id: int) -> Preferences:
    record = await conn.fetchrow(
        "select score_drop, critical_issue, cert_expiry, config_change from preference where account_id = $1",
        account_id,
    )
    return Preferences.model_validate(dict(record)) if record else Preferences()


async def set_preferences(conn: Connection, account_id: int, chosen: Preferences) -> None:
    await conn.execute(
        """insert into preference (account_id, score_drop, critical_issue, cert_expiry, config_change)
           values ($1, $2, $3, $4, $5)
           on conflict (account_id) do update set score_drop = excluded.score_drop,
               critical_issue = excluded.critical_issue, cert_expiry = excluded.cert_expiry,
               config_change = excluded.config_change""",
        account_id,
        chosen.score_drop,
        chosen.critical_issue,
        chosen.cert_expiry,
        chosen.config_change,
    )


# --- webhook endpoints -----------------------------------------------------------------------------------------


def _endpoint(record: Record | None) -> EndpointView | None:
    return EndpointView.model_validate(dict(record)) if record else None


async def endpoints(conn: Connection, account_id: int) -> list[EndpointView]:
    records = await conn.fetch(
        f"select {ENDPOINT} from endpoint where account_id = $1 order by created_at, id", account_id
    )
    return [EndpointView.model_validate(dict(record)) for record in records]


async def endpoint(conn: Connection, account_id: int, endpoint_id: int) -> EndpointView | None:
    return _endpoint(
        await conn.fetchrow(
            f"select {ENDPOINT} from endpoint where account_id = $1 and id = $2", account_id, endpoint_id
        )
    )


async def insert_endpoint(
    conn: Connection, endpoint_id: int, account_id: int, new: NewEndpoint, sealed: bytes, now: datetime
) -> EndpointView:
    record = await conn.fetchrow(
        f"""insert into endpoint (id, account_id, url, description, enabled_events, sealed_secret, created_at,
                                  updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, $7) returning {ENDPOINT}""",
        endpoint_id,
        account_id,
        new.url,
        new.description,
        list(dict.fromkeys(new.enabled_events)),
        sealed,
        now,
    )
    return EndpointView.model_validate(dict(record or {}))


async def change_endpoint(
    conn: Connection, account_id: int, endpoint_id: int, change: EndpointChange, now: datetime
) -> EndpointView | None:
    """Turned on again, it starts with a clean record."""
    return _endpoint(
        await conn.fetchrow(
            f"""update endpoint set url = coalesce($3, url), description = coalesce($4, description),
                    enabled_events = coalesce($5, enabled_events), is_active = coalesce($6, is_active), updated_at = $7,
                    consecutive_failures = case when $6 then 0 else consecutive_failures end,
                    failing_since = case when $6 then null else failing_since end
                where account_id = $1 and id = $2 returning {ENDPOINT}""",
            account_id,
            endpoint_id,
            change.url,
            change.description,
            list(dict.fromkeys(change.enabled_events)) if change.enabled_events else None,
            change.is_active,
            now,
        )
    )


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


async def delete_endpoint(conn: Connection, account_id: int, endpoint_id: int) -> bool:
    return bool(
        await conn.fetchval(
            "delete from endpoint where account_id = $1 and id = $2 returning true", account_id, endpoint_id
        )
    )


# --- deliveries ------------------------------------------------------------------------------------------------


async def listeners(conn: Connection, account_id: int, event_type: str) -> list[int]:
    """The endpoints of an account that want this event."""
    records = await conn.fetch(
        "select id from endpoint where account_id = $1 and is_active and $2 = any(enabled_events)",
        account_id,
        event_type,
    )
    return [record["id"] for record in records]


async def insert_delivery(
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


async def claim_deliveries(
    conn: Connection, now: datetime, lease: timedelta, limit: int, at_once: int, skip: Sequence[int] = ()
) -> list[Delivery]:
    """Due deliveries, at most `at_once` an endpoint, taken until `now + lease`: a slow endpoint holds up no other.

    `skip`: endpoints that are busy enough already.
    """
    records = await conn.fetch(
        """with due as (
               select id from (
                   select delivery.id, next_attempt_at,
                          row_number() over (partition by endpoint_id order by next_attempt_at, delivery.id) as place
                   from delivery join endpoint on endpoint.id = endpoint_id and is_active
                   where status = 'pending' and next_attempt_at <= $1 and not endpoint_id = any($5)
               ) ranked where place <= $4 order by next_attempt_at limit $3
           ), taken as (
               update delivery set next_attempt_at = $2
               where id in (select id from delivery where id in (select id from due) and status = 'pending'
                            and next_attempt_at <= $1 for update skip locked)
               returning id, endpoint_id, event_id::text, event_type, body, retry_count
           )
           select taken.*, endpoint.url, endpoint.sealed_secret as secret
           from taken join endpoint on endpoint.id = endpoint_id""",
        now,
        now + lease,
        limit,
        at_once,
        list(skip),
    )
    return [Delivery(**dict(record)) for record in records]


async def record_attempt(
    conn: Connection, delivery: Delivery, answer: Answer, retry_at: datetime | None, now: datetime
) -> bool:
    """What became of an attempt; without `retry_at` a failure is final. False: another was recorded first."""
    status = "delivered" if answer.success else "pending" if retry_at else "failed"
    done = await conn.fetchval(
        """update delivery set status = $3::text, retry_count = retry_count + $4,
                               next_attempt_at = coalesce($5, next_attempt_at),
                               http_status_code = $6, error_message = $7, sent_at = $8::timestamptz,
                               delivered_at = case when $3::text = 'delivered' then $8::timestamptz end,
                               failed_at = case when $3::text = 'failed' then $8::timestamptz end
           where id = $1 and retry_count = $2 and status = 'pending' returning true""",
        delivery.id,
        delivery.retry_count,
        status,
        0 if status != "pending" else 1,
        retry_at,
        answer.status_code,
        answer.error,
        now,
    )
    return bool(done)


async def record_answer(
    conn: Connection, endpoint_id: int, answer: Answer, now: datetime, dead_after: timedelta
) -> str | None:
    """Keep the endpoint's record; its URL when this answer turned it off."""
    if answer.success:
        await conn.execute(
            """update endpoint set last_delivery_at = $2, last_success_at = $2, consecutive_failures = 0,
                                   failing_since = null where id = $1""",
            endpoint_id,
            now,
        )
        return None
    url: str | None = await conn.fetchval(
        """with failing as (
               update endpoint set last_delivery_at = $2, consecutive_failures = consecutive_failures + 1,
                                   failing_since = coalesce(failing_since, $2)
               where id = $1 returning id, failing_since
           )
           select id from failing where $3 or failing_since <= $2 - $4::interval""",
        endpoint_id,
        now,
        answer.gone,
        dead_after,
    )
    if url is None:
        return None
    turned_off: str | None = await conn.fetchval(
        "update endpoint set is_active = false, updated_at = $2 where id = $1 and is_active returning url",
        endpoint_id,
        now,
    )
    return turned_off


async def account_of_endpoint(conn: Connection, endpoint_id: int) -> int:
    account_id: int = await conn.fetchval("select account_id from endpoint where id = $1", endpoint_id)
    return account_id


async def deliveries(conn: Connection, endpoint_id: int, limit: int) -> list[DeliveryView]:
    records = await conn.fetch(
        """select id, event_id::text, event_type, status, retry_count, created_at, http_status_code, error_message,
                  sent_at, delivered_at, failed_at
           from delivery where endpoint_id = $1 order by created_at desc, id desc limit $2""",
        endpoint_id,
        limit,
    )
    return [DeliveryView.model_validate(dict(record)) for record in records]


async def redeliver(conn: Connection, endpoint_id: int, delivery_id: int, now: datetime) -> DeliveryView | None:
    """The same event with the same bytes, due now with all its retries."""
    record = await conn.fetchrow(
        """update delivery set status = 'pending', retry_count = 0, next_attempt_at = $3, delivered_at = null,
                               failed_at = null
           where endpoint_id = $1 and id = $2
           returning id, event_id::text, event_type, status, retry_count, created_at, http_status_code, error_message,
                     sent_at, delivered_at, failed_at""",
        endpoint_id,
        delivery_id,
        now,
    )
    return DeliveryView.model_validate(dict(record)) if record else None


# --- mail ------------------------------------------------------------------------------------------------------


async def insert_mail(conn: Connection, mail: Mail, now: datetime) -> None:
    await conn.execute(
        """insert into mail (id, recipient, subject, body, status, next_attempt_at, created_at)
           values ($1, $2, $3, $4, 'pending', $5, $5)""",
        mail.id,
        mail.recipient,
        mail.subject,
        mail.body,
        now,
    )


async def claim_mail(conn: Connection, now: datetime, lease: timedelta, limit: int) -> list[Mail]:
    records = await conn.fetch(
        """update mail set next_attempt_at = $2
           where id in (select id from mail where status = 'pending' and next_attempt_at <= $1
                        order by next_attempt_at limit $3 for update skip locked)
           returning id, recipient, subject, body, retry_count""",
        now,
        now + lease,
        limit,
    )
    return [Mail(**dict(record)) for record in records]


async def record_mail(
    conn: Connection, mail_id: int, error: str | None, retry_at: datetime | None, now: datetime
) -> None:
    status = "sent" if error is None else "pending" if retry_at else "failed"
    await conn.execute(
        """update mail set status = $2::text, error_message = $3, retry_count = retry_count + 1,
                           next_attempt_at = coalesce($4, next_attempt_at),
                           sent_at = case when $2::text = 'sent' then $5::timestamptz end
           where id = $1""",
        mail_id,
        status,
        error,
        retry_at,
        now,
    )


# --- retention -------------------------------------------------------------------------------------------------


async def delete_old(conn: Connection, now: datetime) -> None:
    """One retention pass over every table that grows."""
    passes: tuple[tuple[str, Any], ...] = (
        ("delete from tick where scheduled_for < $1", now - timedelta(days=90)),
        ("delete from alert where created_at < $1", now - timedelta(days=365)),
        ("delete from delivery where status <> 'pending' and created_at < $1", now - timedelta(days=30)),
        ("delete from mail where status <> 'pending' and created_at < $1", now - timedelta(days=30)),
    )
    for statement, before in passes:
        await conn.execute(statement, before)
