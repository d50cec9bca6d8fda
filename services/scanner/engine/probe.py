"""A probe: network I/O that returns evidence. The types of its parameters say what it waits for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_type_hints

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.network import Network
from services.scanner.engine.target import Target
from shared.contracts.report import Profile

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class Probe:
    name: str
    returns: type
    given: Mapping[str, type]  # parameter name -> Target, Network or Profile
    needs: Mapping[str, type]  # parameter name -> evidence type
    budget: float  # seconds; enforced by the engine from outside
    function: Callable[..., Awaitable[Any]]
    spares: frozenset[str] = frozenset()  # of `needs`, those that it takes as `Unseen` too


_GIVEN = frozenset({Target, Network, Profile})  # what the engine has from the start
_registry: dict[type, Probe] = {}


def probe(*, budget: float) -> Callable[[F], F]:
    """Register `async def name(target: Target, network: Network, <evidence>: <Type>, ...) -> Evidence`.

    A probe that can do without some evidence takes it as `<Type> | Unseen`, and is run whatever became of that.
    One that looks further in a full scan takes `profile: Profile` as well. What only an intrusive scan may do is a
    probe of its own, whose evidence only checks marked `intrusive` in the catalog need.
    """

    def register(function: F) -> F:
        hints = get_type_hints(function)
        returns = hints["return"]
        if returns in _registry:
            raise ValueError(f"two probes return {returns.__name__}")
        kinds = {name: hints[name] for name in inspect.signature(function).parameters}
        given = {name: kind for name, kind in kinds.items() if kind in _GIVEN}
        needs = {name: _kind(kind) for name, kind in kinds.items() if kind not in _GIVEN}
        spares = frozenset(name for name, kind in kinds.items() if Unseen in get_args(kind))
        _registry[returns] = Probe(function.__name__, returns, given, needs, budget, function, spares)
        return function

    return register


def _kind(hint: Any) -> type:
    """Of `Ports` and of `Ports | Unseen`: Ports."""
    kind: type = next((kind for kind in get_args(hint) if kind is not Unseen), hint)
    return kind


def registered() -> Mapping[type, Probe]:
    """All probes by the evidence they return."""
    return MappingProxyType(_registry)
