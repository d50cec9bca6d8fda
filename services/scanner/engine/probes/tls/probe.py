"""TLS wherever the target's hosts speak it: on the web's ports, and on those where mail is handed in and read."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Endpoint, Service, Tls
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.tls import trust
from services.scanner.engine.probes.tls.credentials import Examiner
from services.scanner.engine.probes.tls.exchange import CONNECT_TIMEOUT
from services.scanner.engine.probes.tls.ports import MAIL_PORTS, PORT, WEB_PORTS
from services.scanner.engine.probes.tls.survey import WEB, survey
from services.scanner.engine.target import Target
from shared.contracts.report import Profile

_MAIL_ADDRESSES = 2  # of one mail host
_TRY = 1.5  # seconds for a port where nothing need be; a lost SYN is repeated after one


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    address: str
    port: int
    thorough: bool = False


@probe(budget=30.0)
async def tls(target: Target, network: Network, profile: Profile, addresses: Addresses) -> Tls:
    """Every address of the domain and its `www.` on port 443; on the others, and at its mail hosts, what speaks TLS.

    All that is accepted is searched for at the first address of each name, in a full scan everywhere.
    """
    roots = await asyncio.to_thread(trust.load, network.trust_ca_file)
    examiner = Examiner(network, roots)
    everywhere = profile is Profile.FULL

    async def look(place: _Place) -> Endpoint | None:
        now, web = network.now(), place.port in WEB_PORTS
        service = await survey(
            network,
            roots,
            place.host,
            place.address,
            place.port,
            MAIL_PORTS.get(place.port),
            thorough=everywhere or place.thorough,
            certain=place.port == PORT,
            alpn=WEB if web else (),
            connect_timeout=CONNECT_TIMEOUT if place.port == PORT else _TRY,
            examiner=examiner,
        )
        if place.port != PORT and not isinstance(service, Service):
            return None
        return Endpoint(place.host, place.address, place.port, now, service)

    seen = await asyncio.gather(*(look(place) for place in _places(addresses)))
    hidden = (
        Endpoint(host.name, "", PORT, network.now(), host.addresses)
        for host in addresses.web
        if isinstance(host.addresses, Unseen)
    )
    return Tls(target.domain, (*(endpoint for endpoint in seen if endpoint), *hidden))


def _places(addresses: Addresses) -> Iterator[_Place]:
    """Each once, those of port 443 first."""
    web = [(host.name, address) for host in addresses.web for address in _known(host)]
    firsts = [(known[0], host.name) for host in addresses.web if (known := _known(host))]
    first = dict(reversed(firsts))
    for name, address in web:
        yield _Place(name, address, PORT, thorough=first.get(address) == name)
    hosts = () if isinstance(addresses.mx, Unseen) else addresses.mx
    mail = [(host.name, address) for host in hosts for address in _both_families(_known(host))]
    others = [(name, address, port) for name, address in web for port in (*WEB_PORTS[1:], *MAIL_PORTS)]
    others += [(name, address, port) for name, address in mail for port in MAIL_PORTS]
    for name, address, port in dict.fromkeys(others):
        yield _Place(name, address, port)


def _known(host: Host) -> tuple[str, ...]:
    return () if isinstance(host.addresses, Unseen) else host.addresses


def _both_families(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The first of each."""
    by_family = {":" in address: address for address in reversed(addresses)}
    return tuple(by_family.values())[:_MAIL_ADDRESSES]
