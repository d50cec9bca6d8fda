"""Runs the probes: each once, as soon as the evidence that it needs is there, within its budget."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from typing import Any

import aiohttp

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.probe import Probe
from services.scanner.engine.target import Target
from shared.contracts.report import Module, ModuleState, Profile
from shared.egress import Refused

_log = logging.getLogger(__name__)

Progress = Callable[[Mapping[Module, ModuleState]], None]
Needs = Mapping[Module, tuple[frozenset[type], ...]]  # for each module, the kinds of evidence that each check needs

# What a hostile or failing peer can make of a connection: the target's doing, even where a probe did not expect it.
_PEER_TROUBLE = (OSError, EOFError, TimeoutError, ssl.SSLError, aiohttp.ClientError, Refused)


class Probing:
    """One scan's probes. Looking begins at once; `stop` it at the end."""

    def __init__(
        self, target: Target, network: Network, profile: Profile, needs: Needs, probes: Mapping[type, Probe]
    ) -> None:
        self._given = {Target: target, Network: network, Profile: profile}
        self._domain = target.domain
        self._progress: Progress | None = None
        self._needs = needs
        self._probes = probes
        self._tasks: dict[type, asyncio.Task[Any]] = {}
        self._running: set[type] = set()
        self._seen: dict[type, Any] = {}
        for kind in frozenset[type]().union(*chain.from_iterable(needs.values())):
            self.see(kind)

    def tell(self, progress: Progress) -> None:
        """How far each module is, now and whenever that changes."""
        self._progress = progress
        self._report()

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
        needless = made.spares
        unseen = next((v for name, v in needed.items() if isinstance(v, Unseen) and name not in needless), None)
        if unseen is None:
            self._running.add(kind)
            self._report()
        self._seen[kind] = unseen or await self._run(made, needed)
        self._report()
        return self._seen[kind]

    async def _run(self, made: Probe, needed: Mapping[str, Any]) -> Any:
        try:
            async with asyncio.timeout(made.budget) as budget:
                given = {name: self._given[kind] for name, kind in made.given.items()}
                return await made.function(**given, **needed)
        except _PEER_TROUBLE as error:
            if isinstance(error, TimeoutError) and budget.expired():
                return Unseen(f"it took longer than the {made.budget:g} s that the {made.name} probe has", "target")
            return Unseen(f"the connection failed: {error or type(error).__name__}", fault_of(error))
        except Exception:
            _log.exception("probe %s failed on %s", made.name, self._domain)
            return Unseen(f"an error of ours in the {made.name} probe; it has been recorded", "ours")

    def _report(self) -> None:
        if self._progress:
            self._progress({module: self._state(needs) for module, needs in self._needs.items()})

    def _state(self, needs: tuple[frozenset[type], ...]) -> ModuleState:
        kinds = frozenset[type]().union(*needs)
        if kinds <= self._seen.keys():
            unseen = {kind for kind in kinds if isinstance(self._seen[kind], Unseen)}
            return "not_tested" if needs and all(unseen & needed for needed in needs) else "done"
        return "running" if kinds & self._running else "waiting"
