"""A scan of the lab by the engine in this process, without database, bus or web server.

The targets answer from this very process: part of the time is theirs.
"""

import time
from collections.abc import AsyncIterator

from services.scanner.engine.network import World
from services.scanner.engine.scan import Options, prepare, run
from services.scanner.engine.target import parse
from services.scanner.engine.version import engine_version
from tests.bench.figure import Figure
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.story import BAD, GOOD

SCANS = 9


async def figures() -> AsyncIterator[Figure]:
    prepare()
    async with Lab() as lab:
        await lab.serve(*everything())
        world = World.from_settings(lab.engine_settings(), engine_version())
        for domain in (GOOD, BAD):
            await _scan(world, domain)
            taken = [await _scan(world, domain) for _ in range(SCANS)]
            yield Figure(
                f"scan of {domain}, the engine alone", [wall for wall, _ in taken], "s", 1.5,
                note=f"{min(cpu for _, cpu in taken):.2f} s of CPU, the targets' with it",
            )  # fmt: skip


async def _scan(world: World, domain: str) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    started, cpu = time.monotonic(), time.process_time()
    await run(parse(domain), Options(), world)
    return time.monotonic() - started, time.process_time() - cpu
