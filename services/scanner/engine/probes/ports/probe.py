"""Which ports are open at the web addresses, and a short conversation with whatever listens there."""

import asyncio
from collections.abc import Collection

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import FULL_PORTS, PORTS, OpenPort, Ports, ScannedAddress
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.ports import cdn
from services.scanner.engine.probes.ports.conversation import Conversations
from services.scanner.engine.sweeping import PortState
from services.scanner.engine.target import Target
from shared.contracts.report import Profile
from shared.egress import Refused

_CONVERSATIONS = 15.0  # seconds for all the open ports of an address; who has not said by then what it is stays unknown
_BUDGET = 40.0  # a full scan of a host that drops everything needs 14 s to try its ports
_FULL_SWEEP = 20.0  # for the ports of a full scan beyond the standard ones
_WAVE = 112  # ports


@probe(budget=_BUDGET)
async def ports(target: Target, network: Network, profile: Profile, addresses: Addresses) -> Ports:
    """Each address of the domain and its `www.` once."""
    hidden: list[ScannedAddress] = []
    hosts: dict[str, str] = {}
    for host in addresses.web:
        if isinstance(host.addresses, Unseen):
            hidden.append(ScannedAddress(host.name, "", (), (), (), host.addresses))
            continue
        for address in host.addresses:
            hosts.setdefault(address, host.name)
    scanned = await asyncio.gather(*(_scan(network, host, address, profile) for address, host in hosts.items()))
    return Ports(target.domain, (*scanned, *hidden))


async def _scan(network: Network, host: str, address: str, profile: Profile) -> ScannedAddress:
    try:
        states = await network.sweep(address, PORTS)
    except (OSError, Refused) as error:
        reason = f"no way to {address} from here: {error}" if fault_of(error) == "ours" else str(error)
        return ScannedAddress(host, address, (), (), (), Unseen(reason, fault_of(error)))
    if profile != Profile.FULL and all(state == "filtered" for state in states.values()):
        return _dark(host, address, states, ())
    talks = Conversations(network, host, address, asyncio.get_running_loop().time() + _CONVERSATIONS)
    tasks = [asyncio.create_task(talks.identify(port)) for port in _open(states)]
    untried: tuple[int, ...] = ()
    try:
        if profile == Profile.FULL:
            more, untried = await _further(network, address)
            states |= more
            talks.end = asyncio.get_running_loop().time() + _CONVERSATIONS
            tasks += [asyncio.create_task(talks.identify(port)) for port in _open(more)]
        services = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    if all(state == "filtered" for state in states.values()):
        return _dark(host, address, states, untried)
    return _seen(host, address, services, states, untried)


async def _further(network: Network, address: str) -> tuple[dict[int, PortState], tuple[int, ...]]:
    """The other ports of a full scan, wave by wave, and those that there was no time for."""
    rest = FULL_PORTS[len(PORTS) :]
    end = asyncio.get_running_loop().time() + _FULL_SWEEP
    states: dict[int, PortState] = {}
    for start in range(0, len(rest), _WAVE):
        try:
            async with asyncio.timeout_at(end):
                states |= await network.sweep(address, rest[start : start + _WAVE])
        except (OSError, Refused):  # TimeoutError among them
            return states, rest[start:]
    return states, ()


def _open(states: dict[int, PortState]) -> list[int]:
    return [port for port, state in states.items() if state == "open"]


def _dark(host: str, address: str, states: dict[int, PortState], untried: tuple[int, ...]) -> ScannedAddress:
    silent = Unseen(f"not one of {len(states)} ports of {address} answered", "target")
    return ScannedAddress(host, address, (), (), tuple(sorted(states)), silent, untried=untried)


def _seen(
    host: str,
    address: str,
    services: Collection[OpenPort],
    states: dict[int, PortState],
    untried: tuple[int, ...],
) -> ScannedAddress:
    closed, filtered = (
        tuple(sorted(port for port, state in states.items() if state == wanted)) for wanted in ("closed", "filtered")
    )
    network = cdn.of(address)
    return ScannedAddress(
        host,
        address,
        tuple(sorted(services, key=lambda one: one.port)),
        closed,
        filtered,
        cdn=network.name if network else "",
        cdn_ports=network.ports if network else (),
        untried=untried,
    )
