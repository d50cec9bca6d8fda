"""Real RabbitMQ and Redis for tests and demonstrations: those that are there, else private ones of this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from aio_pika import connect

from shared.bus import RETRY_DELAYS
from shared.bus.rabbitmq import split_url
from shared.bus.topology import Topology
from shared.contracts.events import TOPOLOGY

START_SECONDS = 60.0
STATISTICS_MS = 500
RABBITMQ_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not the wrapper, which changes the account


class Missing(Exception):
    """A service can neither be found nor started; the message says how to get it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, hello: bytes, expected: bytes) -> bool:
    """Whether the server at `url` answers `hello` in its protocol."""
    parts = urlsplit(url)
    default = 5672 if parts.scheme == "amqp" else 6379
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or default), timeout=2) as peer:
            peer.sendall(hello)
            return peer.recv(len(expected)) == expected
    except OSError:
        return False


def rabbitmq_answers(url: str) -> bool:
    return answers(
        url, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00"
    )  # protocol header, then a method frame: AMQP 0-9-1, 4.2.2


def redis_answers(url: str) -> bool:
    return answers(url, b"PING\r\n", b"+PONG")


@dataclass
class PrivateRabbitMQ:
    """A broker of one's own, which may be stopped, killed and started again on the same data.

    With `counters` it counts what is acknowledged, by queue, from each start on.
    """

    counters: bool = False
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cl-rabbitmq-")))

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"cl{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "db"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        if self.counters:
            self._management_port = free_port()
            (self.folder / "plugins").write_text("[rabbitmq_management].\n")
            kept = (
                f"management.sample_retention_policies.{kind}.minute = 1" for kind in ("global", "basic", "detailed")
            )
            lines = (
                "management.tcp.ip = 127.0.0.1",
                f"management.tcp.port = {self._management_port}",
                f"collect_statistics_interval = {STATISTICS_MS}",
                *kept,  # seconds between two counts that it shows
            )
            (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        if not RABBITMQ_PROGRAM.exists():
            raise Missing("RabbitMQ: apt-get install rabbitmq-server, or set CL_TEST_BUS_URL")
        self._process = start(self._environment, self.folder / "out.log", str(RABBITMQ_PROGRAM))
        wait_until(lambda: rabbitmq_answers(self.url), self._process, self.folder / "out.log")

    def acknowledged(self) -> dict[str, int]:
        """How many messages of each queue were acknowledged since the start, up to a second ago."""
        request = Request(
            f"http://127.0.0.1:{self._management_port}/api/queues",
            headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="},  # guest:guest
        )
        with urlopen(request, timeout=10) as answer:
            queues = json.load(answer)
        return {queue["name"]: queue.get("message_stats", {}).get("ack", 0) for queue in queues}

    def stop(self) -> None:
        """An orderly end, then the data are gone."""
        self.end(signal.SIGTERM)
        with suppress(FileNotFoundError):
            subprocess.run(["epmd", "-kill"], env=self._environment, capture_output=True, timeout=10, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self, how: signal.Signals) -> None:
        """SIGTERM or SIGKILL; the data stay for the next `start`."""
        if self._process:
            end(self._process, how)
            self._process = None


@dataclass
class PrivateRedis:
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cl-redis-")))

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise Missing("Redis: apt-get install redis-server, or set CL_TEST_CACHE_URL")
        options = f"--bind 127.0.0.1 --port {self.port} --save '' --appendonly no --daemonize no".split()
        options[options.index("''")] = ""
        self._process = start(
            {"PATH": os.defpath}, self.folder / "out.log", program, *options, "--dir", str(self.folder)
        )
        wait_until(lambda: redis_answers(self.url), self._process, self.folder / "out.log")

    def stop(self) -> None:
        self.end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self, how: signal.Signals) -> None:
        if self._process:
            end(self._process, how)
            self._process = None


@contextmanager
def rabbitmq(configured: str | None) -> Iterator[str]:
    """A broker's URL: `configured`, else the one on the standard local port, else a private one. Missing."""
    yield from _found(configured, "amqp://guest:guest@127.0.0.1:5672/", rabbitmq_answers, PrivateRabbitMQ)


@contextmanager
def redis(configured: str | None) -> Iterator[str]:
    """The same for Redis."""
    yield from _found(configured, "redis://127.0.0.1:6379/0", redis_answers, PrivateRedis)


def _found(
    configured: str | None,
    standard: str,
    answers: Callable[[str], bool],
    private: type[PrivateRabbitMQ] | type[PrivateRedis],
) -> Iterator[str]:
    if configured or answers(standard):
        yield configured or standard
        return
    server = private()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


async def remove_topology(url: str, retry_delays: Sequence[float] = ()) -> None:
    """Delete everything of ours under the prefix of `url` from its broker; `retry_delays`: besides the usual ones."""
    broker, prefix = split_url(url)
    topology = Topology(prefix, (*RETRY_DELAYS, *retry_delays))
    pairs = [topology.dead_letters, *map(topology.retry, topology.retry_delays)]
    markers = {topology.marker(publisher) for publisher, _ in TOPOLOGY.values()}
    consumers = {topology.marker(service) for _, services in TOPOLOGY.values() for service in services}
    async with await connect(broker) as connection:
        channel = await connection.channel()
        for exchange in (topology.exchange, *pairs):
            await channel.exchange_delete(exchange)
        for queue in (*pairs, *markers, *consumers, *(name for name, _ in topology.queues)):
            await channel.queue_delete(queue)


def start(environment: dict[str, str], log: Path, *command: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            end(process, signal.SIGKILL)
            raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End the whole process group: a start script may stand between us and the server."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
