"""Scans by the engine in a process of its own: `python -m tests.bench.scanner SETTINGS DOMAIN...`; prints JSON.

SETTINGS is a file of `CL_*` settings. The first scan of all warms the process up and is not counted.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from services.scanner.engine.network import World
from services.scanner.engine.scan import Options, Scanned, prepare, run
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.target import parse
from services.scanner.engine.version import engine_version
from services.scanner.settings import ScannerSettings
from shared.contracts.report import Profile
from shared.settings import load


@dataclass(frozen=True)
class Scans:
    seconds: list[float]  # of each scan, in the order of their ends
    cpu: float  # seconds of this process for all of them
    grown: int  # bytes of resident memory at the highest, above the idle process
    grade: str
    issues: int
    untested: list[str]


async def measure(settings: Path, domains: Sequence[str], scans: int, at_once: int, profile: Profile) -> Scans:
    known = load(ScannerSettings, json.loads(settings.read_text()))
    world = World.from_settings(EngineSettings.of(known), engine_version())
    options = Options(profile=profile, timeout=known.scan_timeout)
    prepare()
    scanned = await run(parse(domains[0]), options, world)
    idle, cpu = _forget_the_highest(), time.process_time()
    slots = asyncio.Semaphore(at_once)
    seconds: list[float] = []

    async def one(domain: str) -> Scanned:
        async with slots:
            started = time.monotonic()
            done = await run(parse(domain), options, world)
            seconds.append(time.monotonic() - started)
            return done

    *_, scanned = await asyncio.gather(*(one(domains[number % len(domains)]) for number in range(scans)))
    report = scanned.report
    untested = [f"{missing.id}: {missing.reason}" for m in report.modules.values() for missing in m.not_tested]
    spent = time.process_time() - cpu
    return Scans(seconds, spent, _highest() - idle, report.grade, report.total_issues, untested)


def _forget_the_highest() -> int:
    """Start the record of the highest resident size anew (proc(5), clear_refs); the size now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _highest()


def _highest() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scanner")
    parser.add_argument("settings", type=Path)
    parser.add_argument("domains", nargs="+")
    parser.add_argument("--scans", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--profile", type=Profile, default=Profile.STANDARD)
    given = parser.parse_args()
    result = asyncio.run(measure(given.settings, given.domains, given.scans, given.at_once, given.profile))
    print(json.dumps(asdict(result)))
