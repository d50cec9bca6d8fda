"""The fleet as operators start it: one process with embedded defaults, or six over RabbitMQ, Redis and PostgreSQL."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from shared.migrations import service_url
from shared.postgres import PrivatePostgres
from tests.support.services import PrivateRabbitMQ, PrivateRedis, free_port

ROOT = Path(__file__).parents[2]
SERVICES = ("auth", "billing", "scanner", "monitor", "reports", "gateway")
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class StartFailed(Exception):
    """What the process said before it gave up."""


class _Running:
    """A child process whose output is kept, started from the project's folder with nothing of our environment's."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.process: Process | None = None

    async def start(self, environment: Mapping[str, str], *arguments: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "CI") if name in os.environ}
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *arguments, env=kept | dict(environment), cwd=ROOT, stdout=output, stderr=output
            )

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code; killed when it does not end in time."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        self.process = None
        return code

    async def until_ready(self, url: str) -> None:
        """StartFailed when it ends, or is not ready in time."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while asyncio.get_running_loop().time() < deadline:
                if self.process is None or self.process.returncode is not None:
                    break
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{url}/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise StartFailed(f"{self.name} is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")


class Fleet:
    """What both forms have: a gateway's URL, and folders of its own that are removed at the end."""

    url: str
    keys: Path

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)
        self.stack = AsyncExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-fleet-")))
        self.keys = self.folder / "keys"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stack.aclose()

    async def start(self) -> None:
        raise NotImplementedError

    async def kill_worker(self) -> None:
        """Kill what runs the scans, without warning, and start it again."""
        raise NotImplementedError

    async def restart_broker(self) -> None:
        """Stop the broker and start it again; nothing where there is none."""


class Embedded(Fleet):
    """`compliancelayer up`: one process, a private PostgreSQL, data below a folder of its own."""

    async def start(self) -> None:
        self._running = _Running("compliancelayer up", self.folder / "fleet.log")
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = self.settings | {
            "CL_PORT": str(self._port),
            "CL_METRICS_PORT": "0",
            "CL_DATA_DIR": str(self.folder / "data"),
            "CL_KEYS_DIR": str(self.keys),
        }
        await self._start()
        self.stack.push_async_callback(self._running.stop)

    async def _start(self) -> None:
        await self._running.start(self._environment, "services.cli", "up")
        await self._running.until_ready(self.url)

    async def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        return await self._running.stop(signal.SIGINT)

    async def kill_worker(self) -> None:
        await self._running.stop(signal.SIGKILL)
        await self._start()


class Separate(Fleet):
    """Six processes over a private RabbitMQ, a private Redis and a private PostgreSQL, one role a service."""

    async def start(self) -> None:
        self.postgres = PrivatePostgres(self.folder / "postgres")
        await self.postgres.start()
        self.stack.push_async_callback(self.postgres.stop)
        self.redis = PrivateRedis()
        self.stack.callback(self.redis.stop)
        self.broker = PrivateRabbitMQ(counters=True)
        self.stack.callback(self.broker.stop)
        await asyncio.gather(asyncio.to_thread(self.redis.start), asyncio.to_thread(self.broker.start))

        passwords = {service: f"{service}-secret" for service in SERVICES if service != "gateway"}
        password_file = self.folder / "passwords.json"
        password_file.write_text(str(passwords).replace("'", '"'))
        password_file.chmod(0o600)
        common = self.settings | {
            "CL_BUS_URL": self.broker.url,
            "CL_CACHE_URL": self.redis.url,
            "CL_DATA_DIR": str(self.folder / "data"),
            "CL_KEYS_DIR": str(self.keys),
        }
        migrate = _Running("migrate", self.folder / "migrate.log")
        await migrate.start(
            common | {"CL_DATABASE_URL": self.postgres.owner_url, "CL_DATABASE_PASSWORDS_FILE": str(password_file)},
            "services",
            "migrate",
        )
        assert migrate.process is not None
        if await migrate.process.wait():
            raise StartFailed(migrate.log.read_text(errors="replace"))

        ports = {service: free_port() for service in SERVICES}
        urls = {service: f"http://127.0.0.1:{port}" for service, port in ports.items()}
        self.url = urls["gateway"]
        addresses = {f"CL_{service.upper()}_URL": url for service, url in urls.items() if service != "gateway"}
        self._urls = urls
        self._running = {service: _Running(service, self.folder / f"{service}.log") for service in SERVICES}
        self._environments = {
            service: common
            | {"CL_PORT": str(ports[service]), "CL_METRICS_PORT": str(free_port()), "CL_PUBLIC_URL": self.url}
            | (addresses if service == "gateway" else {"CL_DATABASE_URL": self._database(service, passwords[service])})
            for service in SERVICES
        }
        for service in SERVICES:
            self.stack.push_async_callback(self._running[service].stop)
        await asyncio.gather(*(self._start(service) for service in SERVICES))

    def _database(self, service: str, password: str) -> str:
        return service_url(self.postgres.owner_url, service, password)

    async def _start(self, service: str) -> None:
        await self._running[service].start(self._environments[service], f"services.{service}")
        await self._running[service].until_ready(self._urls[service])

    async def kill_worker(self) -> None:
        await self._running["scanner"].stop(signal.SIGKILL)
        await self._start("scanner")

    async def restart_broker(self) -> None:
        await asyncio.to_thread(self.broker.end, signal.SIGTERM)
        await asyncio.to_thread(self.broker.start)


def errors_in(log: Path) -> list[str]:
    """The lines of a log that tell of an error."""
    return [
        line for line in log.read_text(errors="replace").splitlines() if re.search(r"\b(error|critical)\b", line[:60])
    ]
