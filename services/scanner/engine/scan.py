"""The scan: target, probes, evidence, checks, verdicts, score, compliance, report."""

import asyncio
from dataclasses import dataclass
from typing import Any

from services.scanner.engine import catalog, check, checks, probe, probes
from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.reach import Reach
from services.scanner.engine.facts import tables, technologies
from services.scanner.engine.network import Network, World
from services.scanner.engine.observations import Circumstances, Observations
from services.scanner.engine.probing import Needs, Probing
from services.scanner.engine.probing import Progress as Progress
from services.scanner.engine.report import assemble
from services.scanner.engine.target import Target
from services.scanner.engine.version import engine_version
from shared.contracts.report import Module, Profile, Report


@dataclass(frozen=True, slots=True)
class Options:
    modules: tuple[Module, ...] = tuple(Module)
    profile: Profile = Profile.STANDARD
    intrusive: bool = False  # with the checks that the catalog marks so
    timeout: float = 45.0  # seconds for the whole scan


@dataclass(frozen=True, slots=True)
class Scanned:
    report: Report  # without raw results
    observations: Observations


class ScanFailed(Exception):
    """There is nothing to scan; `reason` completes "the scan failed: ..."."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def prepare() -> None:
    """Import probes and checks, read catalog and facts, so that the first scan need not; blocks for half a second."""
    probes.load()
    checks.load()
    catalog.load()
    technologies.marks()
    for name in tables.NAMES:
        tables.load(name)


async def run(target: Target, options: Options, world: World, progress: Progress | None = None) -> Scanned:
    """The whole scan, complete or partial, within `options.timeout` (and a moment to judge). ScanFailed."""
    observations = await observe(target, options, world, progress)
    report = await asyncio.to_thread(assemble, observations)
    return Scanned(report, observations)


async def observe(target: Target, options: Options, world: World, progress: Progress | None = None) -> Observations:
    """The network's part: what the probes of these modules saw. ScanFailed as soon as there is nothing to see.

    `progress` hears nothing before it is clear that there is something to scan.
    """
    started_at, started = world.clock.now(), world.clock.monotonic()
    network = Network(world)
    probing = Probing(target, network, options.profile, _needs(options), probe.registered())
    worthwhile = False
    try:
        async with asyncio.timeout(options.timeout) as limit:
            _require_something_to_scan(*await asyncio.gather(probing.see(Addresses), probing.see(Reach)))
            worthwhile = True
            if progress:
                probing.tell(progress)
            await probing.wait()
    except TimeoutError:
        if not worthwhile:
            raise ScanFailed(f"did not answer within {options.timeout:g} s") from None
    finally:
        evidence = await probing.stop(options.timeout)
        await network.close()
    return Observations(
        Circumstances(
            domain=target.domain,
            modules=options.modules,
            profile=options.profile,
            intrusive=options.intrusive,
            vantage=world.vantage,
            started_at=started_at,
            completed_at=world.clock.now(),
            duration_ms=round((world.clock.monotonic() - started) * 1000),
            contacted=tuple(sorted(network.contacted)),
            engine_version=engine_version(),
            notes=(f"the time limit of {options.timeout:g} s was reached",) if limit.expired() else (),
        ),
        evidence,
    )


def _require_something_to_scan(addresses: Any, reach: Any) -> None:
    if isinstance(addresses, Unseen):
        raise ScanFailed(f"its addresses could not be found: {addresses.reason}")
    hosts = (addresses.domain, addresses.www, *(() if isinstance(addresses.mx, Unseen) else addresses.mx))
    if not any(host.addresses and not isinstance(host.addresses, Unseen) for host in hosts):
        if any(host.refused for host in hosts):
            raise ScanFailed("resolves only to addresses that are not public")
        raise ScanFailed(_unresolved(addresses.domain.addresses))
    if isinstance(reach, Unseen) or reach.answered is None:
        raise ScanFailed("answers on no web and no mail port")


def _unresolved(addresses: tuple[str, ...] | Unseen) -> str:
    if not isinstance(addresses, Unseen):
        return "does not resolve"
    return f"does not resolve: {addresses.reason}" if addresses.fault == "target" else addresses.reason


def _needs(options: Options) -> Needs:
    prepare()
    known = check.registered()
    asked = catalog.load().of(frozenset(options.modules), intrusive=options.intrusive)
    rows = [row for row in asked if row.id in known]
    return {
        module: tuple(frozenset(known[row.id].needs.values()) for row in rows if row.module == module)
        for module in options.modules
    }
