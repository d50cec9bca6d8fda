"""A probe: network I/O that returns evidence. The types of its parameters say what it waits for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

from services.scanner.engine.network import Network
from services.scanner.engine.target import Target

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class Probe:
    name: str
    returns: type
    needs: Mapping[str, type]  # parameter name -> evidence type, `Target` and `Network` left out
    budget: float  # seconds; enforced by the engine from outside
    function: Callable[..., Awaitable[Any]]


_registry: dict[type, Probe] = {}


def probe(*, budget: float) -> Callable[[F], F]:
    """Register `async def name(target: Target, network: Network, <evidence>: <Type>, ...) -> Evidence`."""

    def register(function: F) -> F:
        hints = get_type_hints(function)
        returns = hints["return"]
        if returns in _registry:
            raise ValueError(f"two probes return {returns.__name__}")
        needs = {
            name: hints[name] for name in inspect.signature(function).parameters if hints[name] not in (Target, Network)
        }
        _registry[returns] = Probe(function.__name__, returns, MappingProxyType(needs), budget, function)
        return function

    return register


def registered() -> Mapping[type, Probe]:
    """All probes by the evidence they return."""
    return MappingProxyType(_registry)
