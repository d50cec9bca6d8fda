"""What monitor knows of an account: its address, its limit, and what it wants mailed."""

from services.monitor.alerts import Preferences
from shared.database import Connection


async def lock(conn: Connection, account_id: int) -> None:
    """Change an account's domains and endpoints one at a time, so that its limits hold exactly."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended('monitor.account', $1))", account_id)


async def set_email(conn: Connection, account_id: int, email: str) -> None:
    await conn.execute(
        """insert into account (account_id, email) values ($1, $2)
           on conflict (account_id) do update set email = excluded.email""",
        account_id,
        email,
    )


async def advance(conn: Connection, account_id: int, version: int) -> bool:
    """False when this version of its subscription, or a newer one, is already known."""
    return bool(
        await conn.fetchval(
            """insert into account (account_id, version) values ($1, $2)
               on conflict (account_id) do update set version = excluded.version
               where account.version < excluded.version returning true""",
            account_id,
            version,
        )
    )


async def disable(conn: Connection, account_id: int) -> None:
    await conn.execute(
        """insert into account (account_id, disabled) values ($1, true)
           on conflict (account_id) do update set disabled = true""",
        account_id,
    )


async def recipient(conn: Connection, account_id: int) -> str | None:
    """Where mail to the account goes; None while it is unknown or disabled."""
    email: str | None = await conn.fetchval(
        "select email from account where account_id = $1 and not disabled", account_id
    )
    return email


async def delete(conn: Connection, account_id: int) -> None:
    """The account and all that is kept of it."""
    for table in ("domain", "endpoint", "mail", "preference", "account"):
        await conn.execute(f"delete from {table} where account_id = $1", account_id)


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
