"""Scans that share a process, and those of targets that do all they can to hold them up."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.scanner.engine import catalog, probe, scan
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.judging import judge
from services.scanner.engine.network import World
from services.scanner.engine.observations import Observations
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.target import parse
from services.scanner.settings import ScannerSettings
from shared.settings import load
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.world import broken, hostile

ROOT = Path(__file__).parents[3]
# Words that nobody takes for each other: sites that look alike are a finding.
CROWD = tuple(f"{word}.test" for word in (
    "harbour", "meadow", "lantern", "cobalt", "orchid", "pebble", "thunder", "velvet", "willow", "zephyr",
    "basket", "cinder", "dolphin", "ember", "falcon", "glacier", "hazelnut", "ivory", "juniper", "kettle",
))  # fmt: skip
TIMEOUT = 120.0  # seconds a scan; what is looked for here is starvation, not the speed of a machine that runs tests
Statuses = dict[str, str]


def crowd() -> tuple[Site, ...]:
    return tuple(map(hardened, CROWD))


@asynccontextmanager
async def serving_the_crowd(folder: Path) -> AsyncIterator[EngineSettings]:
    """By a process of its own, so that the scans have theirs to themselves, as in the field."""
    settings = folder / "settings.json"
    lab = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.lab", "--settings", str(settings), "--sites", f"{__name__}:crowd"),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while not settings.exists():
                assert lab.returncode is None, "the lab did not start"
                await asyncio.sleep(0.05)
        yield EngineSettings.of(load(ScannerSettings, json.loads(settings.read_text())))
    finally:
        lab.terminate()
        await lab.wait()


async def observed(settings: EngineSettings, names: Iterable[str], *, intrusive: bool = False) -> list[Observations]:
    """All of them at once, in one process."""
    world = World.from_settings(settings, "test")
    world.sources.patience = 30.0
    options = scan.Options(intrusive=intrusive, timeout=TIMEOUT)
    return await asyncio.gather(*(scan.observe(parse(name), options, world) for name in names))


def statuses(observations: Observations) -> Statuses:
    return {one.row.id: one.status for one in judge(observations, catalog.load())}


def ours(observations: Observations) -> list[str]:
    """What went wrong by our own doing: errors of probes and checks, and what the scan had no time for."""
    unseen = [value for value in observations.evidence.values() if isinstance(value, Unseen)]
    verdicts = [verdict for one in judge(observations, catalog.load()) for verdict in one.verdicts]
    return [one.reason for one in unseen if one.fault == "ours"] + [
        verdict.reason for verdict in verdicts if verdict.status == "error" or verdict.fault == "ours"
    ]


@pytest.mark.parametrize(
    "site", [broken("broken.test"), *hostile("hostile.test")], ids=["broken", "hangs everywhere", "garbage everywhere"]
)
async def test_no_target_makes_an_error_of_ours(site: Site) -> None:
    """Every probe ends within its budget, and one after the other they need no more than the longest chain of them."""
    started = time.monotonic()
    async with Lab() as lab:
        await lab.serve(site)
        (seen,) = await observed(lab.engine_settings(), [site.name], intrusive=True)
    budgets = [one.budget for one in probe.registered().values()]
    assert ours(seen) == []
    assert not seen.circumstances.notes, "the scan's own time limit ended it"
    assert time.monotonic() - started < 3 * max(budgets)
    judged = statuses(seen)
    assert {judged[check_id] for check_id in ("ssl_tls10_enabled", "csp_missing", "exposed_env_file")} == {"not_tested"}
    assert not any(status == "error" for status in judged.values())


@pytest.mark.parametrize("names", [CROWD[:1] * 8, CROWD], ids=["8 of one host", "20 of 20 hosts"])
async def test_scans_do_not_starve_each_other(names: tuple[str, ...], tmp_path: Path) -> None:
    """They say the same as one that is alone. A machine that has no time for them proves nothing."""
    async with serving_the_crowd(tmp_path) as settings:
        (alone,) = await observed(settings, names[:1])
        for _ in range(3):
            started, delayed = time.monotonic(), waited_for_a_processor()
            found = differences(statuses(alone), await observed(settings, names))
            if waited_for_a_processor() - delayed < (time.monotonic() - started) / 4:
                assert found == []
            if not found:
                return
    pytest.skip("others keep the processors of this machine busy")


def waited_for_a_processor() -> float:
    """Seconds in which this process was ready to run and did not (Linux, Documentation/scheduler/sched-stats)."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def differences(alone: Statuses, together: list[Observations]) -> list[str]:
    found = []
    for seen in together:
        for one in judge(seen, catalog.load()):
            if one.status != alone[one.row.id]:
                reasons = {verdict.reason for verdict in one.verdicts if verdict.status == one.status}
                found.append(f"{seen.circumstances.domain} {one.row.id}: {alone[one.row.id]} -> {one.status} {reasons}")
    return found
