"""Does any web or mail port of the target accept a connection? Decides early whether there is anything to scan."""

import asyncio

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.reach import Reach
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target
from shared.egress import Refused

WEB_PORTS = (80, 443)
MAIL_PORTS = (25, 465, 587)
_TIMEOUT = 4.0  # seconds; a lost SYN is repeated after 1 and 3


@probe(budget=8)
async def reach(target: Target, network: Network, addresses: Addresses) -> Reach:
    mail_hosts = () if isinstance(addresses.mx, Unseen) else addresses.mx
    endpoints: list[tuple[Host, tuple[int, ...]]] = [(host, WEB_PORTS) for host in addresses.web]
    endpoints += [(host, MAIL_PORTS) for host in (*mail_hosts, *(() if mail_hosts else addresses.web[:1]))]
    attempts = [
        asyncio.create_task(_answers(network, address, port))
        for host, ports in endpoints
        for address in _addresses(host)
        for port in ports
    ]
    try:
        for attempt in asyncio.as_completed(attempts):
            if answered := await attempt:
                return Reach(answered)
    finally:
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
    return Reach(None)


def _addresses(host: Host) -> tuple[str, ...]:
    return () if isinstance(host.addresses, Unseen) else host.addresses


async def _answers(network: Network, address: str, port: int) -> str | None:
    try:
        await network.touch(address, port, timeout=_TIMEOUT)
    except (OSError, Refused):
        return None
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
