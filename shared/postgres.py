"""The fleet's private PostgreSQL: a wheel's program files under a small supervisor of our own."""

import asyncio
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import structlog

from shared.postgres_programs import Launch, PostgresFailed, find_launch

OWNER = "compliancelayer"  # the owner's role and its database
PROC = Path("/proc")
ACCOUNT_HOME = Path("/var/lib/compliancelayer")  # where an unprivileged account's server lives, as root only
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107  # bytes in sockaddr_un, without the closing NUL
STOP_SECONDS = 30.0

# Thrifty: six small services, one machine. Durability stays at its defaults.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "24MB",
    "maintenance_work_mem": "32MB",
    "io_method": "sync",
    "jit": "off",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "autovacuum_max_workers": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # not each failed statement
    "log_min_error_statement": "panic",
}

log = structlog.get_logger(__name__)


class PrivatePostgres:
    """A PostgreSQL that listens on a private socket alone, and dies cleanly with the thread that started it.

    Start it from the main thread: the kernel ends it (SIGINT: fast shutdown) when the starting thread ends,
    even by SIGKILL. `settings` go over `SETTINGS`.
    """

    def __init__(
        self, data_dir: Path, *, settings: Mapping[str, str] | None = None, account_home: Path = ACCOUNT_HOME
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._settings = {**SETTINGS, **(settings or {})}
        self._account_home = account_home
        self._lock: IO[str] | None = None
        self._launch: Launch | None = None
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.owner_url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Make the cluster where there is none, start it, return when it takes connections.

        Recovery after a crash may take as long as it needs. PostgresFailed: with the reason.
        """
        try:
            self._launch = launch = await asyncio.to_thread(self._prepare)
            self._socket_dir = _socket_dir(launch)
            password = (launch.home / "password").read_text()
            self.owner_url = f"postgresql://{OWNER}:{password}@/{OWNER}?host={quote(str(self._socket_dir), safe='')}"
            await self._serve()
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep_alive())

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self._watch:
            self._watch.cancel()
            self._watch = None
        if self._process:
            await _end(self._process)
            self._process = None
        if self._socket_dir and self._launch and self._socket_dir.parent != self._launch.home:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._socket_dir = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def _prepare(self) -> Launch:
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (self._data_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PostgresFailed(
                f"{self._data_dir} belongs to another fleet that is running: "
                "stop it, or set CL_DATA_DIR to another folder"
            ) from error
        launch = find_launch(self._data_dir, self._account_home)
        if not (launch.home / "cluster").exists():
            _make_cluster(launch, durable=self._settings.get("fsync") != "off")
        return launch

    async def _serve(self) -> None:
        assert self._launch and self._socket_dir  # set by start()
        cluster = self._launch.home / "cluster"
        await _clear_leftovers(cluster)
        journal = self._data_dir / "postgres.log"
        if journal.exists():
            journal.replace(journal.with_suffix(".log.1"))
        quoted = str(self._socket_dir).replace('"', '""')
        settings = {**self._settings, "unix_socket_directories": f'"{quoted}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with journal.open("wb") as output:
            self._process = self._launch.spawn("postgres", "-D", str(cluster), *options, output=output)
        waited = 0.0
        while not _ready(cluster, self._process.pid):
            if self._process.poll() is not None:
                tail = journal.read_text(errors="replace").strip()[-2000:]
                raise PostgresFailed(f"PostgreSQL did not start in {cluster}: {tail}")
            await asyncio.sleep(0.01)
            waited += 0.01
            if waited >= 10:
                log.warning("postgres.recovering", data=str(cluster), note="it starts when its recovery is done")
                waited = 0.0

    async def _keep_alive(self) -> None:
        """Start the server again when it dies without having been asked to."""
        while True:
            await asyncio.sleep(1)
            if self._process and self._process.poll() is not None:
                log.error("postgres.died", status=self._process.returncode)
                try:
                    await self._serve()
                except PostgresFailed as error:
                    log.error("postgres.not_restarted", reason=str(error))


def _make_cluster(launch: Launch, *, durable: bool) -> None:
    """initdb beside its place, then one rename: an interrupted start leaves no half of a cluster."""
    password, new = launch.home / "password", launch.home / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24))
    launch.give(password)
    launch.run(
        "initdb", "-D", str(new), "-U", OWNER, "-E", "UTF8", "-k", "--no-instructions", f"--pwfile={password}",
        "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--auth-local=scram-sha-256", "--auth-host=reject", *([] if durable else ["--no-sync"]),
    )  # fmt: skip
    launch.run("postgres", "--single", "-D", str(new), "postgres", stdin=f"create database {OWNER}\n")
    new.rename(launch.home / "cluster")


def _socket_dir(launch: Launch) -> Path:
    """A folder that its owner alone may enter, with a path short enough for a socket."""
    beside = launch.home / "socket"
    if len(os.fsencode(beside / SOCKET)) <= SOCKET_PATH_LIMIT and "," not in str(beside):  # which parts hosts in a URL
        beside.mkdir(mode=0o700, exist_ok=True)
    else:
        beside = Path(tempfile.mkdtemp(prefix="cl-postgres-"))  # 0700
    launch.give(beside)
    return beside


async def _clear_leftovers(cluster: Path) -> None:
    """End what an earlier fleet left running here. Ours is the lock, so nobody else's server it can be."""
    lock_file = cluster / "postmaster.pid"
    deadline = STOP_SECONDS
    while running := _processes_in(cluster):
        with suppress(OSError, ValueError, IndexError):
            postmaster = int(lock_file.read_text().splitlines()[0])
            if postmaster in running:
                os.kill(postmaster, signal.SIGINT)
        if deadline <= 0:
            raise PostgresFailed(f"an earlier PostgreSQL still runs in {cluster}: end process {running[0]}")
        await asyncio.sleep(0.1)
        deadline -= 0.1
    _forget_leftovers(lock_file)


def _forget_leftovers(lock_file: Path) -> None:
    """Its process id may by now be any other program's, and PostgreSQL would refuse to start."""
    if PROC.is_dir():
        lock_file.unlink(missing_ok=True)


def _processes_in(folder: Path) -> list[int]:
    """Processes whose working directory is `folder`, as every PostgreSQL process's is. A zombie has none."""
    found = []
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def _ready(cluster: Path, pid: int) -> bool:
    """What the server itself writes into postmaster.pid: its process id first, its state last (line 8)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return False
    return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"


async def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, none
        process.send_signal(how)
        for _ in range(int(STOP_SECONDS / 0.01)):
            if process.poll() is not None:
                return
            await asyncio.sleep(0.01)
