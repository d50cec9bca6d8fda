"""Scans by the engine in a process of its own, of a lab in another, with and without a wire of 40 ms between them."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tests.bench.figure import Figure
from tests.bench.world import FIREWALLED, SHOPS
from tests.compare import peers
from tests.support.far_lab import FarLab
from tests.support.story import BAD, GOOD
from tests.support.wire import NoNamespaces

ROUND_TRIP = 0.04  # seconds
SCANS = 9
FLOOR = 0.4  # seconds: about ten round trips (docs/performance.md)
MIB = 1024**2


@dataclass(frozen=True)
class Scans:
    """What `tests.bench.scanner` printed."""

    seconds: list[float]
    cpu: float
    grown: int


async def figures() -> AsyncIterator[Figure]:
    try:
        async with FarLab(0.0) as lab:
            for domain in (GOOD, BAD):
                scans = await _scans(lab, [domain])
                cpu = scans.cpu / len(scans.seconds)
                yield Figure(f"scan of {domain}, the engine alone", scans.seconds, "s", 1.5)
                yield Figure(f"CPU of a scan of {domain}", [cpu], "s", 0.4)
        async with FarLab(0.0, "tests.bench.world:shops") as lab:
            scans = await _scans(lab, SHOPS, 50, "--at-once", "50")
            yield Figure("memory of 50 scans at once above idle", [scans.grown / MIB], "MiB", 100)
        async with FarLab(ROUND_TRIP, "tests.bench.world:on_a_wire") as lab:
            good = (await _scans(lab, [GOOD])).seconds
            yield Figure(f"scan of {GOOD} at 40 ms", good, "s", 4 * FLOOR, note="4 times the floor of 10 round trips")
            async for figure in _beside_the_peers(lab, good):
                yield figure
            yield Figure(f"scan of {FIREWALLED} at 40 ms", (await _scans(lab, [FIREWALLED])).seconds, "s", 3)
            full = await _scans(lab, [GOOD], 3, "--profile", "full")
            yield Figure(f"scan of {GOOD} at 40 ms, profile full", full.seconds, "s")
    except NoNamespaces as missing:
        print(f"  not measured: {missing}")


async def _scans(lab: FarLab, domains: Sequence[str], scans: int = SCANS, *options: str) -> Scans:
    arguments = (str(lab.settings_file), *domains, "--scans", str(scans), *options)
    ran = await lab.run(sys.executable, "-m", "tests.bench.scanner", *arguments)
    if ran.code:
        raise RuntimeError(ran.errors)
    told = json.loads(ran.output)
    return Scans(told["seconds"], told["cpu"], told["grown"])


async def _beside_the_peers(lab: FarLab, ours: list[float]) -> AsyncIterator[Figure]:
    """The tools that cover the same together, all started at once."""
    installed = [peer for peer in peers.TIMED if peer.installed]
    if missing := [peer.name for peer in peers.TIMED if not peer.installed]:
        print(f"  without {', '.join(missing)}: `make compare` installs them")
    if not installed:
        return
    seconds = await peers.all_at_once(lab, installed, GOOD)
    names = ", ".join(f"{name} {took:.1f}" for name, took in seconds.items())
    longest = max(seconds.values())
    yield Figure("the peers, run all at once", [longest], "s", note=names)
    yield Figure("our scan to theirs", [took / longest for took in ours], "times", 1 / 12)
