"""`compliancelayer feeds update|show`: newer tables come into use, and nothing else does."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from services.commands import feeds
from services.scanner.engine.facts import tables
from tests.support.lab import Lab, hardened
from tests.support.lab.web import WebSpec

SHIPPED = Path(tables.__file__).parent


@pytest.fixture(autouse=True)
def shipped() -> Iterator[None]:
    tables.forget()
    yield
    tables.forget()


def served(change: Callable[[dict[str, object]], None], *left_out: str) -> WebSpec:
    web = WebSpec()
    for name in tables.NAMES:
        if name not in left_out:
            table = orjson.loads(SHIPPED.joinpath(f"{name}.json").read_bytes())
            change(table)
            web = web.serve(f"/facts/{name}.json", orjson.dumps(table), "application/json")
    return web


async def update(web: WebSpec, folder: Path, url: str | None = "https://feeds.test/facts/") -> int:
    async with Lab() as lab:
        site = hardened("feeds.test")
        await lab.serve(type(site)(site.name, site.zone, web=web))
        environ = {**lab.settings(), "CL_DATA_DIR": str(folder), **({"CL_FEEDS_URL": url} if url else {})}
        return await asyncio.to_thread(feeds.update, environ)


def dated(day: str) -> Callable[[dict[str, object]], None]:
    return lambda table: table.update(date=day)


async def test_newer_tables_are_fetched_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = tables.load("exploited").date.replace(day=23).isoformat()

    assert await update(served(dated(day)), tmp_path) == feeds.FINE

    assert sorted(file.name for file in (tmp_path / "facts").iterdir()) == sorted(f"{n}.json" for n in tables.NAMES)
    assert feeds.show({"CL_DATA_DIR": str(tmp_path)}) == feeds.FINE
    assert capsys.readouterr().out.count("fetched") == len(tables.NAMES)
    assert all(tables.load(name).fetched for name in tables.NAMES)


async def test_what_is_as_new_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await update(served(lambda table: None), tmp_path) == feeds.FINE
    assert not (tmp_path / "facts").exists()
    assert "is as new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dated("2099-01-01"), "which is to come"),
        (dated("2020-01-01"), "older than the one in use"),
        (lambda table: table.update(rows={}), "0 rows"),
        (lambda table: table.update(table="another"), "is not the table"),
    ],
)
async def test_what_is_wrong_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, object]], None], reason: str
) -> None:
    assert await update(served(change), tmp_path) == feeds.FAILED
    assert not (tmp_path / "facts").exists()
    assert capsys.readouterr().err.count(reason) == len(tables.NAMES)


async def test_a_table_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = tables.load("exploited").date.replace(day=23).isoformat()
    assert await update(served(dated(day), "javascript"), tmp_path) == feeds.FAILED
    assert "javascript stays as it is: https://feeds.test/facts/javascript.json answered with status 404" in (
        capsys.readouterr().err
    )
    assert (tmp_path / "facts/exploited.json").exists()


async def test_a_source_out_of_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await update(WebSpec(), tmp_path, "https://nowhere.test/") == feeds.FAILED
    assert "nowhere.test" in capsys.readouterr().err


async def test_no_source_is_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await update(WebSpec(), tmp_path, None) == feeds.USAGE
    assert "Set CL_FEEDS_URL" in capsys.readouterr().err


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert feeds.show({"CL_DATA_DIR": str(tmp_path)}) == feeds.FINE
    printed = capsys.readouterr().out
    assert all(name in printed for name in tables.NAMES)
    assert "shipped" in printed
    assert "https://www.cisa.gov/known-exploited-vulnerabilities-catalog" in printed


def test_a_wrong_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert feeds.show({"CL_FEEDS_URL": "no address"}) == feeds.USAGE
    assert feeds.update({"CL_FEEDS_URL": "no address"}) == feeds.USAGE
    assert "CL_FEEDS_URL" in capsys.readouterr().err
