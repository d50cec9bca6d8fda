"""Auth's SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from services.auth.accounts import Account, EmailTaken, User
from services.auth.api_keys import ApiKey
from shared.contracts.plans import Limits
from shared.contracts.principal import Principal, Scope
from shared.database import Connection


@dataclass(frozen=True)
class KeyUse:
    """A key as a credential: who calls with it, and what its row says of it."""

    principal: Principal
    digest: bytes
    last_used_at: datetime | None


# -- accounts and users ----------------------------------------------------------------------------------------------


async def add_account(conn: Connection, account: Account, user: User) -> None:
    """Raises `EmailTaken`; the transaction is of no more use then."""
    await conn.execute(
        "INSERT INTO accounts (id, plan, limits, created_at) VALUES ($1, $2, $3, $4)",
        account.id,
        account.plan,
        account.limits.model_dump(),
        account.created_at,
    )
    try:
        await conn.execute(
            "INSERT INTO users (id, account_id, email, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
            user.id,
            user.account_id,
            user.email,
            user.password_hash,
            user.created_at,
        )
    except asyncpg.UniqueViolationError:
        raise EmailTaken from None


async def account(conn: Connection, account_id: int) -> Account:
    row = await conn.fetchrow("SELECT * FROM accounts WHERE id = $1", account_id)
    if row is None:
        raise LookupError(f"no account {account_id}")
    return _account(row)


async def user(conn: Connection, user_id: int) -> User | None:
    row = await conn.fetchrow("SELECT * FROM users WHERE id = $1", user_id)
    return None if row is None else _user(row)


async def user_by_email(conn: Connection, email: str) -> User | None:
    row = await conn.fetchrow("SELECT * FROM users WHERE email = $1", email)
    return None if row is None else _user(row)


async def lock_password(conn: Connection, user: User) -> bool:
    """Let nobody change the user's password before this transaction ends. False: it is another already."""
    query = "SELECT true FROM users WHERE id = $1 AND password_hash = $2 FOR SHARE"
    return await conn.fetchval(query, user.id, user.password_hash) is True


async def change_password(conn: Connection, user: User, password_hash: str) -> bool:
    """False: it was changed since `user` was read."""
    query = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true"
    return await conn.fetchval(query, user.id, user.password_hash, password_hash) is True


async def disable_account(conn: Connection, account_id: int) -> int | None:
    """The account's new version; None when it was disabled already."""
    version: int | None = await conn.fetchval(
        """
        UPDATE accounts SET status = 'disabled', version = version + 1
        WHERE id = $1 AND status = 'active'
        RETURNING version
        """,
        account_id,
    )
    return version


async def delete_account(conn: Connection, account_id: int) -> None:
    """With all that belongs to it."""
    await conn.execute("DELETE FROM accounts WHERE id = $1", account_id)


async def project_plan(
    conn: Connection, account_id: int, *, version: int, plan: str, limits: Limits, status: str
) -> None:
    """Write what `subscription.changed` says, unless a newer one has been written."""
    await conn.execute(
        """
        UPDATE accounts SET plan = $3, limits = $4, subscription_status = $5, plan_version = $2
        WHERE id = $1 AND plan_version < $2
        """,
        account_id,
        version,
        plan,
        limits.model_dump(),
        status,
    )


# -- API keys --------------------------------------------------------------------------------------------------------


async def add_key(conn: Connection, key: ApiKey) -> None:
    await conn.execute(
        """
        INSERT INTO api_keys (id, account_id, user_id, name, digest, hint, scopes, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        key.id,
        key.account_id,
        key.user_id,
        key.name,
        key.digest,
        key.hint,
        sorted(key.scopes),
        key.created_at,
        key.expires_at,
    )


async def lock_account(conn: Connection, account_id: int) -> bool:
    """Let nobody else change the account or add a key to it before this transaction ends. False: it is gone."""
    return await conn.fetchval("SELECT true FROM accounts WHERE id = $1 FOR UPDATE", account_id) is True


async def keys(conn: Connection, account_id: int, now: datetime) -> list[ApiKey]:
    """The live keys, newest first."""
    rows = await conn.fetch(
        """
        SELECT * FROM api_keys WHERE account_id = $1 AND (expires_at > $2) IS NOT FALSE
        ORDER BY created_at DESC, id
        """,
        account_id,
        now,
    )
    return [_key(row) for row in rows]


async def revoke_key(conn: Connection, account_id: int, key_id: int, now: datetime) -> ApiKey | None:
    """Make a key expire now. None when the account has no such live key."""
    row = await conn.fetchrow(
        """
        UPDATE api_keys SET expires_at = $2
        WHERE account_id = $1 AND (expires_at > $2) IS NOT FALSE AND id = $3
        RETURNING *
        """,
        account_id,
        now,
        key_id,
    )
    return None if row is None else _key(row)


async def key_by_digest(conn: Connection, digests: Sequence[bytes], now: datetime) -> KeyUse | None:
    """The live key with one of these digests (one for each accepted pepper)."""
    row = await conn.fetchrow(
        """
        SELECT k.digest, k.last_used_at, k.scopes, k.id AS key_id, NULL AS session_id,
               u.id AS user_id, u.role, a.id AS account_id, a.plan, a.limits, a.status
        FROM api_keys k JOIN users u ON u.id = k.user_id JOIN accounts a ON a.id = k.account_id
        WHERE k.digest = ANY($1::bytea[]) AND (k.expires_at > $2) IS NOT FALSE
        """,
        digests,
        now,
    )
    if row is None:
        return None
    return KeyUse(_principal(row, row["scopes"]), row["digest"], row["last_used_at"])


async def note_key_use(conn: Connection, key_id: int, digest: bytes, now: datetime) -> None:
    """Also moves the key to the current pepper."""
    await conn.execute("UPDATE api_keys SET last_used_at = $2, digest = $3 WHERE id = $1", key_id, now, digest)


# -- sessions and invites --------------------------------------------------------------------------------------------


async def add_session(conn: Connection, session_id: str, user_id: int, now: datetime, expires_at: datetime) -> None:
    await conn.execute(
        "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        session_id,
        user_id,
        now,
        expires_at,
    )


async def session_principal(conn: Connection, session_id: str, now: datetime) -> Principal | None:
    row = await conn.fetchrow(
        """
        SELECT s.id AS session_id, NULL AS key_id, u.id AS user_id, u.role,
               a.id AS account_id, a.plan, a.limits, a.status
        FROM sessions s JOIN users u ON u.id = s.user_id JOIN accounts a ON a.id = u.account_id
        WHERE s.id = $1 AND s.expires_at > $2
        """,
        session_id,
        now,
    )
    return None if row is None else _principal(row, Scope)


async def end_session(conn: Connection, session_id: str) -> None:
    await conn.execute("DELETE FROM sessions WHERE id = $1", session_id)


async def end_sessions(conn: Connection, user_id: int) -> None:
    await conn.execute("DELETE FROM sessions WHERE user_id = $1", user_id)


async def add_invite(conn: Connection, digest: bytes, expires_at: datetime) -> None:
    await conn.execute("INSERT INTO invites (digest, expires_at) VALUES ($1, $2)", digest, expires_at)


async def use_invite(conn: Connection, digests: Sequence[bytes], now: datetime) -> bool:
    """True once for each invite."""
    used = await conn.fetchval(
        "DELETE FROM invites WHERE digest = ANY($1::bytea[]) AND expires_at > $2 RETURNING true", digests, now
    )
    return used is not None


# -- retention -------------------------------------------------------------------------------------------------------


async def forget(conn: Connection, *, now: datetime, keys_kept: timedelta) -> None:
    """Drop expired sessions and invites, and keys that ended `keys_kept` ago."""
    await conn.execute("DELETE FROM sessions WHERE expires_at <= $1", now)
    await conn.execute("DELETE FROM invites WHERE expires_at <= $1", now)
    await conn.execute("DELETE FROM api_keys WHERE expires_at < $1", now - keys_kept)


# -- rows ------------------------------------------------------------------------------------------------------------


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        plan=row["plan"],
        limits=Limits.model_validate(row["limits"]),
        created_at=row["created_at"],
        status=row["status"],
        subscription_status=row["subscription_status"],
    )


def _user(row: asyncpg.Record) -> User:
    return User(
        id=row["id"],
        account_id=row["account_id"],
        email=row["email"],
        password_hash=row["password_hash"],
        created_at=row["created_at"],
        email_verified=row["email_verified"],
    )


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        name=row["name"],
        digest=row["digest"],
        hint=row["hint"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )


def _principal(row: asyncpg.Record, scopes: Sequence[str] | type[Scope]) -> Principal:
    return Principal(
        account_id=row["account_id"],
        user_id=row["user_id"],
        key_id=row["key_id"],
        session_id=row["session_id"],
        role=row["role"],
        scopes=frozenset(Scope(scope) for scope in scopes),
        plan=row["plan"],
        limits=row["limits"],
        status=row["status"],
    )
