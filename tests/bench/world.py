"""The targets of the benchmarks."""

from dataclasses import replace

from services.scanner.engine.evidence.ports import PORTS
from tests.support.lab.site import Site, hardened
from tests.support.lab.world import everything

SHOPS = tuple(f"shop{number}.test" for number in range(1, 21))
FIREWALLED = "firewalled.test"


def shops() -> tuple[Site, ...]:
    """Many good web and mail hosts, each on addresses of its own, as a worker meets them."""
    return tuple(hardened(name) for name in SHOPS)


def on_a_wire() -> tuple[Site, ...]:
    """The named sites, and one whose firewall drops what it does not serve."""
    return (*everything(), firewalled(FIREWALLED))


def firewalled(name: str) -> Site:
    site = hardened(name)
    dropped = tuple(port for port in PORTS if port not in (80, 443))
    return replace(site, ports=replace(site.ports, filtered=dropped))
