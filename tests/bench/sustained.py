"""Real scanner workers emptying a long queue: how many scans a minute, and does the thousandth cost what the first did?

The targets, PostgreSQL and RabbitMQ answer on the same cores.
"""

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import asyncpg

from services.scanner.scans import ALL_MODULES
from shared.migrations import service_url
from shared.postgres import PrivatePostgres
from tests.bench import process_tree
from tests.bench.figure import Figure
from tests.bench.world import SHOPS
from tests.support.fleet import ROOT, Running
from tests.support.services import PrivateRabbitMQ, free_port

SCANS, FEWER = 1000, 300
SUSTAINED = 500
STEP = 100
WARM = 20  # scans that fill the workers' slots and caches
PASSWORD = "scanner-secret"
PATIENCE = 900.0


@dataclass(frozen=True)
class Mark:
    """So many scans done after so many seconds, at so many seconds of CPU of the workers."""

    done: int
    seconds: float
    cpu: float


async def figures() -> AsyncIterator[Figure]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-bench-")))
        postgres, broker = PrivatePostgres(folder / "postgres"), PrivateRabbitMQ()
        stack.push_async_callback(postgres.stop)
        stack.callback(broker.stop)
        await asyncio.gather(postgres.start(), asyncio.to_thread(broker.start))
        settings = await _lab(stack, folder) | {
            "CL_BUS_URL": broker.url,
            "CL_DATA_DIR": str(folder / "data"),
            "CL_KEYS_DIR": str(folder / "keys"),
            "CL_SCANNER_ROLE": "worker",
        }
        await _migrate(folder, settings | {"CL_DATABASE_URL": postgres.owner_url})
        settings["CL_DATABASE_URL"] = service_url(postgres.owner_url, "scanner", PASSWORD)
        connection = await asyncpg.connect(postgres.owner_url)
        stack.push_async_callback(connection.close)
        for workers, scans in ((1, FEWER), (2, SCANS)):
            marks = await _emptied(connection, folder, settings, workers, scans)
            many = next(mark for mark in marks if mark.done >= min(SUSTAINED, scans))
            yield Figure(
                f"scans a minute, {workers} worker process{'es' if workers > 1 else ''}, {many.done} scans",
                [60 * (many.done - marks[0].done) / (many.seconds - marks[0].seconds)], "scans",
                150 if workers == 2 else None, floor=True,
                note=f"{(many.cpu - marks[0].cpu) / (many.done - marks[0].done):.3f} s of the workers' CPU each",
            )  # fmt: skip
        costs = [(b.cpu - a.cpu) / (b.done - a.done) for a, b in pairwise(marks)]
        yield Figure(
            f"CPU a scan, the last of {scans} to the first", [costs[-1] / costs[0]], "times", 1.1,
            note=f"by the hundred: {', '.join(f'{cost:.3f}' for cost in costs)} s",
        )  # fmt: skip


async def _emptied(
    connection: asyncpg.Connection, folder: Path, settings: dict[str, str], workers: int, scans: int
) -> list[Mark]:
    """Queue the scans, each of an account of its own, and let the workers do them all; a mark every hundred."""
    await connection.execute("delete from scanner.scan")
    running = [Running(f"worker {number}", folder / f"worker-{number}.log") for number in range(workers)]
    try:
        for one in running:
            port = free_port()
            ports = {"CL_PORT": str(port), "CL_METRICS_PORT": str(free_port())}
            await one.start(settings | ports, "services.scanner")
            await one.until_ready(f"http://127.0.0.1:{port}")
        await connection.execute(
            """insert into scanner.scan (id, account_id, domain, modules, source, status, scans_at_once, queued_at)
               select 'job_' || number, number, ($1::text[])[1 + number % cardinality($1::text[])], $2,
                      'api', 'queued', 5, now()
               from generate_series(1, $3) number""",
            list(SHOPS),
            list(ALL_MODULES),
            scans + WARM,
        )
        marks: list[Mark] = []
        async with asyncio.timeout(PATIENCE):
            while not marks or marks[-1].done < scans:
                await asyncio.sleep(0.1)
                done = await connection.fetchval("select count(*) from scanner.scan where status = 'completed'") - WARM
                if reason := await connection.fetchval("select max(failure_reason) from scanner.scan"):
                    raise RuntimeError(f"a scan failed: {reason}")
                if done >= min(len(marks) * STEP, scans):
                    pids = [one.process.pid for one in running if one.process]
                    marks.append(Mark(done, time.monotonic(), sum(map(process_tree.cpu_seconds, pids))))
        return marks
    finally:
        await asyncio.gather(*(one.stop() for one in running))


async def _lab(stack: AsyncExitStack, folder: Path) -> dict[str, str]:
    """The targets in a process of their own; the settings to scan them with."""
    lab, file = Running("lab", folder / "lab.log"), folder / "lab.json"
    await lab.start({}, "tests.support.lab", "--settings", str(file), "--sites", "tests.bench.world:shops")
    stack.push_async_callback(lab.stop, signal.SIGTERM)
    async with asyncio.timeout(60):
        while not file.exists():
            await asyncio.sleep(0.05)
    settings: dict[str, str] = json.loads(file.read_text())
    return settings


async def _migrate(folder: Path, settings: dict[str, str]) -> None:
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps({"scanner": PASSWORD}))
    migration = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "migrate", cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
        env=settings | {"CL_DATABASE_PASSWORDS_FILE": str(passwords)},
    )  # fmt: skip
    if await migration.wait():
        raise RuntimeError("the migration failed: its reason stands above")
