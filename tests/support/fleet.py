"""The fleet as operators start it: one process with embedded defaults, or six over RabbitMQ, Redis and PostgreSQL."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from shared.contracts.events import TOPOLOGY
from shared.migrations import service_url
from shared.postgres import PrivatePostgres
from tests.support.services import PrivateRabbitMQ, PrivateRedis, free_port

ROOT = Path(__file__).parents[2]
SERVICES = ("auth", "billing", "scanner", "monitor", "reports", "gateway")
KEPT = ("PATH", "HOME", "LANG", "CL_CHROMIUM_PATH", "PLAYWRIGHT_BROWSERS_PATH")  # of our own environment
START_SECONDS = 60.0
STOP_SECONDS = 30.0
SETTLE_SECONDS = 10.0  # RabbitMQ 3.10 loses a quorum queue that is stopped soon after its declaration
COUNT_SECONDS = 1.5  # for the broker to count what was acknowledged
LAST_SECONDS = 15.0  # for the last events to be consumed, and the broker to say so

Crossed = dict[str, dict[str, int]]  # event -> consumer -> how many it acknowledged


class StartFailed(Exception):
    """What the process said before it gave up."""


class Running:
    """A child process whose output is kept, started from the project's folder with little of our environment."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.process: Process | None = None

    async def start(self, environment: Mapping[str, str], *arguments: str) -> None:
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *arguments, env=_kept() | dict(environment), cwd=ROOT, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip

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
        deadline = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if self.process is None or self.process.returncode is not None:
                    break
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{url}/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise StartFailed(f"{self.name} is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")


class Fleet:
    """What both forms have: a gateway's URL, an operator's environment, and folders that are removed at the end."""

    url: str
    operator: Mapping[str, str]  # the environment of `compliancelayer admin`

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.stack = AsyncExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-fleet-")))
        self.settings = dict(settings) | {
            "CL_DATA_DIR": str(self.folder / "data"),
            "CL_KEYS_DIR": str(self.folder / "keys"),
        }

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

    async def stop(self) -> list[int]:
        """End every process of ours as an operator does; the exit codes."""
        raise NotImplementedError

    async def kill_worker(self) -> None:
        """Kill what runs the scans, without warning, and start it again."""
        raise NotImplementedError

    @asynccontextmanager
    async def broker_away(self) -> AsyncIterator[None]:
        """The broker is stopped meanwhile, and started again afterwards; nothing where there is none."""
        yield

    async def admin(self, *arguments: str) -> str:
        """What `compliancelayer admin` prints; StartFailed unless it succeeds."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", "admin", *arguments,
            env=_kept() | dict(self.operator), cwd=ROOT, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(START_SECONDS):
            output, _ = await process.communicate()
        if process.returncode:
            raise StartFailed(f"admin {' '.join(arguments)}: {output.decode()}")
        return output.decode()

    def errors(self) -> list[str]:
        """The lines of all logs that tell of an error."""
        lines = [line for log in self.folder.glob("*.log") for line in log.read_text(errors="replace").splitlines()]
        return [line for line in lines if re.search(r"\[(error|critical)|\"level\":\"(error|critical)|Traceback", line)]


class Embedded(Fleet):
    """`compliancelayer up`: one process, a private PostgreSQL, data below a folder of its own."""

    async def start(self) -> None:
        self._running = Running("compliancelayer up", self.folder / "fleet.log")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = self.settings | {"CL_PORT": str(port), "CL_METRICS_PORT": "0"}
        self.operator = self.settings
        self.stack.push_async_callback(self._running.stop)
        await self._start()

    async def _start(self) -> None:
        await self._running.start(self._environment, "services.cli", "up")
        await self._running.until_ready(self.url)

    async def stop(self) -> list[int]:
        return [await self._running.stop(signal.SIGINT)]

    async def kill_worker(self) -> None:
        await self._running.stop(signal.SIGKILL)
        await self._start()


class Separate(Fleet):
    """Six processes over a private RabbitMQ, a private Redis and a private PostgreSQL, one role a service."""

    async def start(self) -> None:
        postgres = PrivatePostgres(self.folder / "postgres")
        redis = PrivateRedis()
        self._broker = PrivateRabbitMQ(counters=True)
        self._acknowledged: Counter[str] = Counter()  # before the broker's last start
        self.stack.push_async_callback(postgres.stop)
        self.stack.callback(redis.stop)
        self.stack.callback(self._broker.stop)
        await asyncio.gather(postgres.start(), asyncio.to_thread(redis.start), asyncio.to_thread(self._broker.start))

        passwords = {service: f"{service}-secret" for service in SERVICES if service != "gateway"}
        password_file = self.folder / "passwords.json"
        password_file.write_text(json.dumps(passwords))
        self.settings |= {"CL_BUS_URL": self._broker.url, "CL_CACHE_URL": redis.url}
        self.operator = self.settings | {"CL_DATABASE_URL": postgres.owner_url}
        await self._migrate(password_file)

        self._urls = {service: f"http://127.0.0.1:{free_port()}" for service in SERVICES}
        self.url = self._urls["gateway"]
        addresses = {f"CL_{service.upper()}_URL": self._urls[service] for service in passwords}
        databases = {service: service_url(postgres.owner_url, service, passwords[service]) for service in passwords}
        self._environments = {
            service: self.settings
            | {
                "CL_PORT": self._urls[service].rsplit(":", 1)[1],
                "CL_METRICS_PORT": str(free_port()),
                "CL_PUBLIC_URL": self.url,
            }
            | ({"CL_DATABASE_URL": databases[service]} if service in databases else addresses)
            for service in SERVICES
        }
        self._running = {service: Running(service, self.folder / f"{service}.log") for service in SERVICES}
        self.stack.push_async_callback(self.stop)
        await asyncio.gather(*(self._start(service) for service in SERVICES))
        self._declared = time.monotonic()

    async def _migrate(self, passwords: Path) -> None:
        migration = Running("migrate", self.folder / "migrate.log")
        await migration.start({**self.operator, "CL_DATABASE_PASSWORDS_FILE": str(passwords)}, "services", "migrate")
        assert migration.process is not None
        async with asyncio.timeout(START_SECONDS):
            if await migration.process.wait():
                raise StartFailed(migration.log.read_text(errors="replace"))

    async def _start(self, service: str) -> None:
        await self._running[service].start(self._environments[service], f"services.{service}")
        await self._running[service].until_ready(self._urls[service])

    async def stop(self) -> list[int]:
        return await asyncio.gather(*(running.stop() for running in self._running.values()))

    async def kill_worker(self) -> None:
        await self._running["scanner"].stop(signal.SIGKILL)
        await self._start("scanner")

    @asynccontextmanager
    async def broker_away(self) -> AsyncIterator[None]:
        await asyncio.sleep(self._declared + SETTLE_SECONDS - time.monotonic())
        await asyncio.sleep(COUNT_SECONDS)
        self._acknowledged.update(await asyncio.to_thread(self._broker.acknowledged))
        await asyncio.to_thread(self._broker.end, signal.SIGTERM)
        try:
            yield
        finally:
            await asyncio.to_thread(self._broker.start)

    async def crossed(self) -> Crossed:
        """What every consumer acknowledged, by the broker's own counters; waits a little for each to have some."""
        deadline = time.monotonic() + LAST_SECONDS
        while True:
            counted = self._acknowledged + Counter(await asyncio.to_thread(self._broker.acknowledged))
            crossed = {
                event.NAME: {consumer: counted[f"{consumer}.{event.NAME}"] for consumer in consumers}
                for event, (_, consumers) in TOPOLOGY.items()
                if consumers
            }
            if all(all(consumers.values()) for consumers in crossed.values()) or time.monotonic() > deadline:
                return crossed
            await asyncio.sleep(0.2)


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ}
