"""Schemas, roles and tables: made once by however many, and refused where they do not fit."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from shared.migrations import MigrationError, migrate, read_migrations, read_passwords, service_url, verify

PASSWORDS = {"alpha": "p w/@:%", "beta": "b"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_note.sql").write_text(
        "create table note (id bigint generated always as identity, body text); insert into note (body) values ('x');"
    )
    return tmp_path


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_five_at_once_apply_each_migration_once(database_url: str, folder: Path) -> None:
    await asyncio.gather(*(migrate(database_url, {"alpha": folder}, PASSWORDS) for _ in range(5)))
    async with connected(database_url) as owner:
        assert await owner.fetchval("select count(*) from alpha.note") == 1
    await verify(service_url(database_url, "alpha", PASSWORDS["alpha"]), "alpha", folder)


async def test_a_new_migration_is_applied_to_what_is_there(database_url: str, folder: Path) -> None:
    await migrate(database_url, {"alpha": folder}, PASSWORDS)
    (folder / "0002_more.sql").write_text("alter table note add more text;")
    with pytest.raises(MigrationError, match=r"alpha lacks 0002_more\.sql: run"):
        await verify(database_url, "alpha", folder)
    await migrate(database_url, {"alpha": folder}, PASSWORDS)
    await verify(database_url, "alpha", folder)
    async with connected(database_url) as owner:
        assert dict(await owner.fetchrow("select * from alpha.note") or {}) == {"id": 1, "body": "x", "more": None}


async def test_a_migration_that_fails_leaves_nothing(database_url: str, folder: Path) -> None:
    (folder / "0002_bad.sql").write_text("create table half (); select nonsense;")
    with pytest.raises(MigrationError, match=r"alpha: 0002_bad\.sql failed: .*nonsense"):
        await migrate(database_url, {"alpha": folder}, PASSWORDS)
    async with connected(database_url) as owner:
        assert await owner.fetchval("select to_regnamespace('alpha')") is None


def edit(folder: Path) -> None:
    (folder / "0001_note.sql").write_text("create table note (id bigint);")


def forget(folder: Path) -> None:
    (folder / "0002_more.sql").unlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [(edit, r"0001_note\.sql was edited after it was applied"), (forget, r"alpha has 0002_more\.sql, which")],
)
async def test_what_was_applied_is_neither_edited_nor_gone(
    database_url: str, folder: Path, change: Callable[[Path], None], sentence: str
) -> None:
    (folder / "0002_more.sql").write_text("alter table note add more text;")
    await migrate(database_url, {"alpha": folder}, PASSWORDS)
    change(folder)
    with pytest.raises(MigrationError, match=sentence):
        await migrate(database_url, {"alpha": folder}, PASSWORDS)
    with pytest.raises(MigrationError, match=sentence):
        await verify(database_url, "alpha", folder)


async def test_a_database_without_the_schema_is_refused(database_url: str, folder: Path) -> None:
    with pytest.raises(MigrationError, match="the schema alpha is not made yet"):
        await verify(database_url, "alpha", folder)


def test_files_are_numbered_without_a_gap(folder: Path) -> None:
    (folder / "0003_later.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match=r"expected 0002_name\.sql"):
        read_migrations("service", folder)


def test_a_folder_without_migrations_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migrations"):
        read_migrations("service", tmp_path)


async def test_a_role_works_on_its_own_rows_and_on_nothing_else(database_url: str, folder: Path) -> None:
    await migrate(database_url, {"alpha": folder, "beta": folder}, PASSWORDS)
    async with connected(service_url(database_url, "alpha", PASSWORDS["alpha"])) as alpha:
        await alpha.execute("insert into alpha.note (body) values ('y'); update alpha.note set body = 'z'")
        await alpha.execute(
            "delete from alpha.note; insert into bus.delivery (consumer, event, envelope, "
            "next_attempt_at) values ('beta', 'x', '{}', now())"
        )
        for refused in (
            "select * from beta.note",
            "insert into beta.note (body) values ('y')",
            "create table alpha.mine ()",
            "create table public.mine ()",
            "create schema mine",
            "create temporary table mine ()",
            "drop table alpha.note",
            "truncate alpha.note",
            "update alpha.migration set checksum = ''",
            "create role mine",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)):
                await alpha.execute(refused)


async def test_a_new_password_holds_at_once(database_url: str, folder: Path) -> None:
    await migrate(database_url, {"alpha": folder}, {"alpha": "old"})
    await migrate(database_url, {"alpha": folder}, {"alpha": "new"})
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with connected(service_url(database_url, "alpha", "old")):
            pass
    async with connected(service_url(database_url, "alpha", "new")) as alpha:
        assert await alpha.fetchval("select 1") == 1


def test_missing_passwords_are_made_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    first = read_passwords(file, ["alpha"], make=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(first["alpha"]) >= 24
    both = read_passwords(file, ["alpha", "beta"], make=True)
    assert both["alpha"] == first["alpha"]
    assert json.loads(file.read_text()) == both


def test_missing_passwords_are_refused_where_none_are_made(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"has no password for alpha, beta: it is a JSON object"):
        read_passwords(tmp_path / "passwords.json", ["alpha", "beta"], make=False)
