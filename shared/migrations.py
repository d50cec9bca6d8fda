"""Schemas, roles and tables: one schema and one login role a service, numbered forward-only SQL."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

SHARED = Path(__file__).parent / "sql"
SERVICE_TABLES = SHARED / "service"  # in every service's schema, before its own
BUS_SCHEMA = "bus"
BUS_TABLES = SHARED / "bus"
LOCK = 0x434C_4D47  # one migration at a time in a database
CONNECT_SECONDS = 10.0
LOCK_SECONDS = 600.0

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

APPLIED = """create table if not exists migration (
    source text, number int, name text not null, checksum text not null,
    applied_at timestamptz not null default now(), primary key (source, number))"""


class MigrationError(Exception):
    """The database and this version's migrations do not fit; the message says which, and the remedy."""


@dataclass(frozen=True)
class Migration:
    source: str  # "shared" or "service"
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(source: str, folder: Path) -> list[Migration]:
    """`NNNN_name.sql` of `folder`, numbered from 0001 without a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if not match or int(match[1]) != len(found) + 1:
            raise MigrationError(f"{path}: expected {len(found) + 1:04}_name.sql here; numbers have no gap")
        found.append(Migration(source, int(match[1]), path.name, path.read_text()))
    if not found:
        raise MigrationError(f"{folder}: no migrations (NNNN_name.sql)")
    return found


def role_of(database: str, service: str) -> str:
    """The login role of a service. Roles are shared by all databases of a server, so it names the database too."""
    return f"{database}_{service}"


def service_url(owner_url: str, service: str, password: str) -> str:
    """The same database, as the role of `service`."""
    parts = urlsplit(owner_url)
    host = parts.netloc.rpartition("@")[2]
    role = role_of(parts.path.removeprefix("/"), service)
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{host}"))


def read_passwords(path: Path, services: Iterable[str], *, make: bool) -> dict[str, str]:
    """Passwords of the services' roles: a JSON object, name to password, mode 0600.

    `make`: add what is missing. MigrationError: when one is missing otherwise.
    """
    passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [service for service in services if not passwords.get(service)]
    if not missing:
        return passwords
    if not make:
        raise MigrationError(
            f"CL_DATABASE_PASSWORDS_FILE {path} has no password for {', '.join(missing)}: it is a JSON object, "
            "service to password"
        )
    passwords |= {service: secrets.token_urlsafe(24) for service in missing}
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(json.dumps(passwords, indent=2))
    new.replace(path)
    return passwords


async def migrate(owner_url: str, services: Mapping[str, Path], passwords: Mapping[str, str]) -> None:
    """Make what is missing of schemas, roles and tables; at once from any number of processes is fine.

    `services`: name to the folder of its migrations. MigrationError: an applied file was edited or is gone.
    """
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_SECONDS)
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK, timeout=LOCK_SECONDS)
        async with connection.transaction():
            database = await connection.fetchval("select current_database()")
            await _close_public(connection, database)
            await _apply(connection, BUS_SCHEMA, read_migrations("shared", BUS_TABLES))
            for service, folder in services.items():
                await _apply(connection, service, _migrations_of(folder))
                role = role_of(database, service)
                await _make_role(connection, role, passwords[service])
                await _grant(connection, database, role, service)
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


async def verify(url: str, service: str, folder: Path) -> None:
    """Refuse to serve on a schema that is not exactly this version's. `url`: of the service's role or the owner's.

    MigrationError: a migration is missing, unknown or edited.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        if await connection.fetchval("select to_regclass($1)", f"{service}.migration") is None:
            raise MigrationError(f"the schema {service} is not made yet: run `python -m services migrate` first")
        pending = _pending(service, _migrations_of(folder), await _applied(connection, service))
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
    if pending:
        raise MigrationError(f"{service} lacks {pending[0].name}: run `python -m services migrate` first")


def _migrations_of(folder: Path) -> list[Migration]:
    return read_migrations("shared", SERVICE_TABLES) + read_migrations("service", folder)


def _pending(
    schema: str, migrations: list[Migration], applied: Mapping[tuple[str, int], tuple[str, str]]
) -> list[Migration]:
    known = {(migration.source, migration.number) for migration in migrations}
    for key in applied.keys() - known:
        raise MigrationError(
            f"{schema} has {applied[key][0]}, which this version does not know: run the version that made it, or newer"
        )
    pending = []
    for migration in migrations:
        name, checksum = applied.get((migration.source, migration.number), (None, None))
        if name is None:
            pending.append(migration)
        elif checksum != migration.checksum:
            raise MigrationError(
                f"{schema}: {migration.name} was edited after it was applied: restore it, and write a new migration"
            )
    return pending


async def _applied(connection: asyncpg.Connection, schema: str) -> dict[tuple[str, int], tuple[str, str]]:
    rows = await connection.fetch(f"select source, number, name, checksum from {_quoted(schema)}.migration")  # noqa: S608
    return {(row["source"], row["number"]): (row["name"], row["checksum"]) for row in rows}


async def _apply(connection: asyncpg.Connection, schema: str, migrations: list[Migration]) -> None:
    await connection.execute(f"create schema if not exists {_quoted(schema)}")
    await connection.execute(f"set local search_path to {_quoted(schema)}")
    await connection.execute(APPLIED)
    for migration in _pending(schema, migrations, await _applied(connection, schema)):
        try:
            await connection.execute(migration.sql)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{schema}: {migration.name} failed: {error}") from error
        await connection.execute(
            "insert into migration (source, number, name, checksum) values ($1, $2, $3, $4)",
            migration.source,
            migration.number,
            migration.name,
            migration.checksum,
        )


async def _close_public(connection: asyncpg.Connection, database: str) -> None:
    await connection.execute("revoke all on schema public from public")
    await connection.execute(f"revoke all on database {_quoted(database)} from public")


async def _make_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    """A role that may log in, and nothing else. The password is set each time: a new one in the file holds at once."""
    exists = await connection.fetchval("select 1 from pg_roles where rolname = $1", role)
    verb = "alter" if exists else "create"
    literal = await connection.fetchval("select quote_literal($1::text)", password)
    await connection.execute(f"{verb} role {_quoted(role)} login noinherit password {literal}")


async def _grant(connection: asyncpg.Connection, database: str, role: str, schema: str) -> None:
    """Rows of its own schema and of the local bus; no tables made or changed, no look into another's schema."""
    grantee = _quoted(role)
    await connection.execute(f"grant connect on database {_quoted(database)} to {grantee}")
    for name in (schema, BUS_SCHEMA):
        own = _quoted(name)
        await connection.execute(f"grant usage on schema {own} to {grantee}")
        await connection.execute(f"grant select, insert, update, delete on all tables in schema {own} to {grantee}")
        await connection.execute(f"grant usage on all sequences in schema {own} to {grantee}")
        await connection.execute(f"revoke insert, update, delete on {own}.migration from {grantee}")


def _quoted(identifier: str) -> str:
    if len(identifier.encode()) > 63:
        raise MigrationError(f"{identifier} is too long a name for PostgreSQL (63 bytes): shorten the database's")
    return '"' + identifier.replace('"', '""') + '"'
