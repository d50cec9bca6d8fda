"""The private PostgreSQL: made, started, stopped, killed, and found as it was left."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from shared.postgres import PostgresFailed, PrivatePostgres
from tests.support.services import START_SECONDS

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

# A fleet that ends without a word: it starts the server, tells its process id, and waits to be killed.
FLEET = """
import asyncio, sys
from pathlib import Path
from shared.postgres import PrivatePostgres

async def main():
    async with PrivatePostgres(Path(sys.argv[1])) as server:
        print(server.owner_url, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def postmaster(data: Path) -> int:
    """The server's process id; 0: it has none, or does not say so yet."""
    try:
        return int((data / "cluster" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return 0


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}/cwd").exists()


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("postgres")
    server = PrivatePostgres(data)
    asyncio.run(server.start())
    asyncio.run(server.stop())
    return data


@pytest.fixture
def data(made_once: Path, tmp_path: Path) -> Path:
    """A data folder in which a server has run before."""
    return Path(shutil.copytree(made_once, tmp_path / "data"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="cl-postgres-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_what_was_written_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    data = tmp_path / "a folder, with 'quotes' and spaces"
    async with PrivatePostgres(data) as server:
        await fetch(server.owner_url, "create table note as select 42 as answer")
    async with PrivatePostgres(data) as server:
        assert await fetch(server.owner_url, "select answer from note") == 42


async def test_nobody_else_gets_in(data: Path) -> None:
    async with PrivatePostgres(data) as server:
        assert await fetch(server.owner_url, "show listen_addresses") == ""
        assert await fetch(server.owner_url, "show password_encryption") == "scram-sha-256"
        assert (data / "socket").stat().st_mode & 0o777 == 0o700
        assert (data / "password").stat().st_mode & 0o777 == 0o600
        password = (data / "password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await fetch(server.owner_url.replace(password, "wrong"), "select 1")


async def test_below_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    async with PrivatePostgres(data) as server:
        socket_folder = Path(str(await fetch(server.owner_url, "show unix_socket_directories")).strip('"'))
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert not socket_folder.exists()


async def test_one_data_folder_has_one_server(data: Path) -> None:
    async with PrivatePostgres(data) as server:
        with pytest.raises(PostgresFailed, match="belongs to another fleet"):
            await PrivatePostgres(data).start()
        assert await fetch(server.owner_url, "select 1") == 1


async def kill_a_fleet(data: Path, **environment: str) -> int:
    """The process id of the server whose fleet was killed after it had written a note."""
    command = [sys.executable, "-c", FLEET, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment) as fleet:
        assert fleet.stdout
        url = (await asyncio.to_thread(fleet.stdout.readline)).strip()
        await fetch(url, "create table note as select 42 as answer")
        server = postmaster(data)
        fleet.kill()
    return server


async def test_the_server_ends_cleanly_when_its_fleet_is_killed(data: Path) -> None:
    server = await kill_a_fleet(data)
    await eventually(lambda: gone(server))
    assert not (data / "cluster" / "postmaster.pid").exists()
    async with PrivatePostgres(data) as again:
        assert await fetch(again.owner_url, "select answer from note") == 42


async def test_a_server_that_outlived_its_fleet_is_ended_by_the_next(data: Path) -> None:
    programs = data / "bin"  # without setpriv, nothing tells the server of its fleet's death
    programs.mkdir()
    for name in ("sh", "unshare"):
        (programs / name).symlink_to(shutil.which(name) or "")
    server = await kill_a_fleet(data, PATH=str(programs))
    assert not gone(server)
    async with PrivatePostgres(data) as again:
        assert gone(server)
        assert await fetch(again.owner_url, "select answer from note") == 42


async def test_a_server_that_is_killed_recovers(data: Path) -> None:
    async with PrivatePostgres(data) as server:
        await fetch(server.owner_url, "create table note as select 42 as answer")
        killed = postmaster(data)
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: postmaster(data) not in (0, killed))
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    assert await fetch(server.owner_url, "select answer from note") == 42
                    break
                except (OSError, asyncpg.CannotConnectNowError):
                    await asyncio.sleep(0.02)


async def test_a_stale_lock_file_with_another_programs_process_id(data: Path) -> None:
    async with PrivatePostgres(data):
        lock = (data / "cluster" / "postmaster.pid").read_text()
    lines = lock.splitlines(keepends=True)
    (data / "cluster" / "postmaster.pid").write_text("".join([f"{os.getppid()}\n", *lines[1:]]))
    async with PrivatePostgres(data) as server:
        assert await fetch(server.owner_url, "select 1") == 1


async def test_a_first_start_that_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "PG_VERSION").write_text("18\n")
    (tmp_path / "password").write_text("half")
    async with PrivatePostgres(tmp_path) as server:
        assert await fetch(server.owner_url, "select 1") == 1


async def test_a_damaged_cluster_is_refused_with_the_servers_own_words(data: Path) -> None:
    (data / "cluster" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(PostgresFailed, match="incompatible"):
        await PrivatePostgres(data).start()


@as_root
async def test_below_a_closed_home_nothing_is_opened_and_files_stay_the_callers(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    async with PrivatePostgres(home / "clone" / ".data") as server:
        assert await fetch(server.owner_url, "select 1") == 1
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "clone" / ".data" / "cluster" / "PG_VERSION").stat().st_uid == 0


@as_root
async def test_without_user_namespaces_it_runs_as_an_account(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PrivatePostgres(tmp_path, account_home=open_folder) as server:
        await fetch(server.owner_url, "create table note as select 42 as answer")
    refusing = tmp_path / "bin"
    refusing.mkdir()
    (refusing / "unshare").write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    (refusing / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
    for _ in range(2):
        async with PrivatePostgres(tmp_path, account_home=open_folder) as server:
            assert await fetch(server.owner_url, "select answer from note") == 42
            files = (tmp_path / "moved").resolve()
            assert files.is_relative_to(open_folder)
            assert (files / "cluster").stat().st_uid != 0
            assert files.stat().st_mode & 0o777 == 0o700


@as_root
async def test_below_a_folder_that_is_closed_to_root_itself_it_runs_as_an_account(open_folder: Path) -> None:
    foreign = open_folder / "foreign"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, 12345, 12345)
    async with PrivatePostgres(foreign / "data", account_home=open_folder / "var") as server:
        assert await fetch(server.owner_url, "select 1") == 1
        assert (foreign / "data" / "moved").resolve().is_relative_to(open_folder / "var")
