"""The embedded fleet: how soon it is ready, what it takes when idle, and how long it takes to scan the lab."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.bench import process_tree
from tests.bench.figure import Figure
from tests.support.fleet import Running
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.services import free_port
from tests.support.story import BAD, GOOD, Customer

STARTS = 5
IDLE_SECONDS = 5.0
SCANS = 7
MIB = 1024**2


async def figures() -> AsyncIterator[Figure]:
    async with Lab() as lab:
        await lab.serve(*everything())
        with tempfile.TemporaryDirectory(prefix="cl-bench-") as folder:
            port = free_port()
            settings = lab.settings() | {"CL_DATA_DIR": f"{folder}/data", "CL_PORT": str(port), "CL_METRICS_PORT": "0"}
            fleet = Running("compliancelayer up", Path(folder) / "fleet.log")
            url = f"http://127.0.0.1:{port}"
            try:
                await _start(fleet, settings, url)  # cold: it makes the database
                starts = []
                for _ in range(STARTS):
                    await fleet.stop()
                    starts.append(await _start(fleet, settings, url))
                yield Figure(
                    "embedded fleet ready, warm", [wall for wall, _ in starts], "s", 3,
                    note=f"{min(cpu for _, cpu in starts):.2f} s of CPU",
                )  # fmt: skip
                await asyncio.sleep(IDLE_SECONDS)
                yield Figure("embedded fleet idle, PSS with PostgreSQL", [_memory(fleet)], "MiB", 250)
                async with aiohttp.ClientSession() as session:
                    customer = await _customer(url, session)
                    for domain in (GOOD, BAD):
                        seconds = [await _scan(customer, domain) for _ in range(SCANS)]
                        yield Figure(f"scan of {domain}, POST to completed", seconds, "s", 1.5)
                await asyncio.sleep(IDLE_SECONDS)
                yield Figure("the same fleet idle after these scans", [_memory(fleet)], "MiB", 250)
            finally:
                await fleet.stop()


async def _start(fleet: Running, settings: dict[str, str], url: str) -> tuple[float, float]:
    """Seconds from the process's start to its first 200 of /readyz, and seconds of CPU until then."""
    started = time.monotonic()
    await fleet.start(settings, "services.cli", "up")
    await fleet.until_ready(url)
    return time.monotonic() - started, process_tree.cpu_seconds(_pid(fleet))


def _memory(fleet: Running) -> float:
    return process_tree.pss(_pid(fleet)) / MIB


def _pid(fleet: Running) -> int:
    assert fleet.process is not None
    return fleet.process.pid


async def _customer(url: str, session: aiohttp.ClientSession) -> Customer:
    customer = Customer(url, session)
    signed_up = {"email": "bench@customer.test", "password": "correct horse battery"}
    customer.credential = (await customer.call("POST", "/v1/auth/signup", json=signed_up)).data["token"]
    return customer


async def _scan(customer: Customer, domain: str) -> float:
    """Seconds from the request to the answer that says completed, polled as the reference's clients do."""
    started = time.monotonic()
    job = (await customer.call("POST", "/v1/scan", json={"domain": domain})).data
    job = await customer.finished(job)
    assert job["status"] == "completed", job
    return time.monotonic() - started
