"""The scan: target, probes, evidence, checks, verdicts, score, compliance, report."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import aiohttp

from services.scanner.engine import catalog, check, checks, probe, probes
from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.reach import Reach
from services.scanner.engine.network import Network, World
from services.scanner.engine.observations import Circumstances, Observations
from services.scanner.engine.report import assemble
from services.scanner.engine.target import Target
from services.scanner.engine.version import engine_version
from shared.contracts.report import Module, ModuleState, Report
from shared.egress import Refused

_log = logging.getLogger(__name__)

Progress = Callable[[Mapping[Module, ModuleState]], None]

# What a hostile or failing peer can make of a connection: the target's doing, even where a probe did not expect it.
_PEER_TROUBLE = (OSError, EOFError, TimeoutError, ssl.SSLError, aiohttp.ClientError, Refused)


@dataclass(frozen=True, slots=True)
class Options:
    modules: tuple[Module, ...] = tuple(Module)
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


async def run(target: Target, options: Options, world: World, progress: Progress | None = None) -> Scanned:
    """The whole scan, complete or partial, within `options.timeout` (and a moment to judge). ScanFailed."""
    observations = await observe(target, options, world, progress)
    report = await asyncio.to_thread(assemble, observations)
    return Scanned(report, observations)


async def observe(target: Target, options: Options, world: World, progress: Progress | None = None) -> Observations:
    """The network's part: what the probes of these modules saw. ScanFailed as soon as there is nothing to see."""
    started_at, started = world.clock.now(), world.clock.monotonic()
    network = Network(world)
    probing = _Probing(target, network, progress or (lambda _: None), _needs(options.modules))
    worthwhile = False
    try:
        async with asyncio.timeout(options.timeout) as limit:
            _require_something_to_scan(*await asyncio.gather(probing.see(Addresses), probing.see(Reach)))
            worthwhile = True
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
        unseen = addresses.domain.addresses
        raise ScanFailed(f"does not resolve: {unseen.reason}" if isinstance(unseen, Unseen) else "does not resolve")
    if isinstance(reach, Unseen) or reach.answered is None:
        raise ScanFailed("answers on no web and no mail port")


# For each module, the kinds of evidence that each of its checks needs.
_Needs = Mapping[Module, tuple[frozenset[type], ...]]


def _needs(modules: tuple[Module, ...]) -> _Needs:
    probes.load()
    checks.load()
    known = check.registered()
    rows = [row for row in catalog.load().of(frozenset(modules)) if row.id in known]
    return {
        module: tuple(frozenset(known[row.id].needs.values()) for row in rows if row.module == module)
        for module in modules
    }


class _Probing:
    """Runs each probe once, as soon as the evidence that it needs is there."""

    def __init__(self, target: Target, network: Network, progress: Progress, needs: _Needs) -> None:
        self._target = target
        self._network = network
        self._progress = progress
        self._needs = needs
        self._probes = probe.registered()
        self._tasks: dict[type, asyncio.Task[Any]] = {}
        self._running: set[type] = set()
        self._seen: dict[type, Any] = {}
        for kind in frozenset[type]().union(*chain.from_iterable(needs.values())):
            self.see(kind)

    def see(self, kind: type) -> Awaitable[Any]:
        """The evidence of this kind, or `Unseen`."""
        if kind not in self._tasks:
            self._tasks[kind] = asyncio.create_task(self._probe(kind), name=kind.__name__)
        return asyncio.shield(self._tasks[kind])

    async def wait(self) -> None:
        await asyncio.wait(self._tasks.values())

    async def stop(self, limit: float) -> dict[type, Any]:
        """All evidence there is; what is still being looked for was not to be had within `limit` seconds."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        late = Unseen(f"not seen within the scan's {limit:g} s", "target")
        return {kind: self._seen.get(kind, late) for kind in self._tasks}

    async def _probe(self, kind: type) -> Any:
        made = self._probes[kind]
        needed = dict(
            zip(made.needs, await asyncio.gather(*(self.see(need) for need in made.needs.values())), strict=True)
        )
        unseen = next((value for value in needed.values() if isinstance(value, Unseen)), None)
        if unseen is None:
            self._running.add(kind)
            self._report()
        self._seen[kind] = unseen or await self._run(made, needed)
        self._report()
        return self._seen[kind]

    async def _run(self, made: probe.Probe, needed: Mapping[str, Any]) -> Any:
        try:
            async with asyncio.timeout(made.budget) as budget:
                return await made.function(self._target, self._network, **needed)
        except _PEER_TROUBLE as error:
            if isinstance(error, TimeoutError) and budget.expired():
                return Unseen(f"it took longer than the {made.budget:g} s that the {made.name} probe has", "target")
            return Unseen(f"the connection failed: {error or type(error).__name__}", "target")
        except Exception:
            _log.exception("probe %s failed on %s", made.name, self._target.domain)
            return Unseen(f"an error of ours in the {made.name} probe; it has been recorded", "ours")

    def _report(self) -> None:
        self._progress({module: self._state(needs) for module, needs in self._needs.items()})

    def _state(self, needs: tuple[frozenset[type], ...]) -> ModuleState:
        kinds = frozenset[type]().union(*needs)
        if kinds <= self._seen.keys():
            unseen = {kind for kind in kinds if isinstance(self._seen[kind], Unseen)}
            return "not_tested" if needs and all(unseen & needed for needed in needs) else "done"
        return "running" if kinds & self._running else "waiting"
