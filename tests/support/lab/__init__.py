"""Local targets: DNS, TLS, HTTP and open ports on loopback addresses, for tests, the demo and `make lab`."""

import errno
import random
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from dns.name import from_text as dns_name

from services.scanner.engine.evidence.ports import FULL_PORTS, UDP_PORTS
from services.scanner.engine.settings import EngineSettings
from tests.support.lab import ports as port_servers
from tests.support.lab import publishing
from tests.support.lab import site as sites
from tests.support.lab.ca import CertificateAuthority
from tests.support.lab.dns import FOREIGN, TOP, DnsServer, NameServer, NameServerSpec, Resolver, Zone, ZoneSpec
from tests.support.lab.ports import PortsSpec
from tests.support.lab.site import Place, Site, hardened
from tests.support.lab.sources import SETTINGS, WHOIS, Sources

__all__ = ["Lab", "Place", "Site", "hardened"]

FIRST_MAPPED_PORT = 10_000  # above the privileged ports, below the ephemeral ones
HALF = 256
SITE_BLOCK, NAMESERVER_BLOCK = 10, 130  # where in each half of the network sites and name servers begin
MAX_SITES = 30
MAX_NAMESERVERS = 4
ATTEMPTS = 50


def port_map() -> dict[int, int]:
    """Every port that a probe may open, mapped to one that needs no privilege."""
    return {port: FIRST_MAPPED_PORT + index for index, port in enumerate(sorted({*FULL_PORTS, *UDP_PORTS, WHOIS}))}


@dataclass(frozen=True, slots=True)
class _Served:
    site: Site
    index: int
    place: Place
    stack: AsyncExitStack


class Lab:
    """A resolver and sites in a free 127.A.B.0/23, under one certificate authority. Use as an async context manager."""

    def __init__(self, network: IPv4Network | None = None) -> None:
        """`network`: a /23 of a namespace that is the lab's alone, where its servers take their real ports."""
        self.ports: Mapping[int, int] = {port: port for port in port_map()} if network else port_map()
        self._own = network
        self._resolver = Resolver()
        self._resolver.zones[dns_name("example.com")] = Zone("example.com", FOREIGN, {}, ("192.0.2.53", "192.0.2.54"))
        self._stack = AsyncExitStack()
        self._served: dict[str, _Served] = {}

    async def __aenter__(self) -> Self:
        try:
            directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-"))
            self.ca = CertificateAuthority(Path(directory))
            await self._take_network()
            self.trust_anchor_file = Path(directory) / "test.ds"
            await self._serve_top()
            authority = await publishing.serve(self.ca, str(self.network[2]), self.ports, self._resolver)
            self._stack.push_async_callback(authority.aclose)
            await self._serve_sources()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for served in self._served.values():
            await served.stack.aclose()
        await self._stack.aclose()

    async def _serve_sources(self) -> None:
        """At an address of their own; and an address where nothing answers, which a cloud's reverse name belongs to."""
        self._sources = Sources(self._resolver, str(self.network[3]))
        self._stack.push_async_callback((await self._sources.serve(str(self.network[3]), self.ports)).aclose)
        silent = self._silent = str(self.network[4])
        filtered = PortsSpec(filtered=(80, 443))
        self._stack.push_async_callback((await port_servers.serve(filtered, silent, self.ports)).aclose)
        pool = ZoneSpec((("@", "PTR", f"ec2-{silent.replace('.', '-')}.compute-1.amazonaws.com."),))
        backwards = ip_address(silent).reverse_pointer
        self._resolver.zones[dns_name(backwards)] = Zone(backwards, pool, {}, ("192.0.2.53",))

    async def _serve_top(self) -> None:
        """The zone above all sites, whose key is the lab's trust anchor."""
        addresses = tuple(str(self.network[half * HALF + 5]) for half in range(2))
        top = self._resolver.zones[dns_name("test")] = Zone("test", TOP, {}, addresses)
        assert top.signer is not None
        self.trust_anchor_file.write_text(f"test. IN DS {top.signer.ds()}\n")
        for address in addresses:
            server = await DnsServer.start(NameServer(top, NameServerSpec(), self._resolver), address, self.ports[53])
            self._stack.push_async_callback(server.aclose)

    async def _take_network(self) -> None:
        """A network is ours when we hold the resolver's socket in it."""
        for _ in range(ATTEMPTS):
            network = self._own or IPv4Network(f"127.{random.randint(1, 254)}.{random.randrange(2, 254, 2)}.0/23")
            try:
                server = await DnsServer.start(self._resolver, str(network[1]), self.ports[53])
            except OSError as error:
                if error.errno != errno.EADDRINUSE or self._own:
                    raise
                continue
            self.network = network
            self._stack.push_async_callback(server.aclose)
            return
        raise OSError(errno.EADDRINUSE, "no free loopback network found for the lab")

    @property
    def resolver(self) -> Resolver:
        return self._resolver

    @property
    def ca_file(self) -> Path:
        return self.ca.file

    def settings(self) -> dict[str, str]:
        """The environment to scan this lab with."""
        return {
            "CL_DNS_SERVERS": f"{self.network[1]}:{self.ports[53]}",
            "CL_SCAN_PORT_MAP": ",".join(f"{real}={mapped}" for real, mapped in self.ports.items()),
            "CL_EGRESS_ALLOW": str(self.network),
            "CL_TRUST_CA_FILE": str(self.ca_file),
            "CL_DNSSEC_TRUST_ANCHOR_FILE": str(self.trust_anchor_file),
            **SETTINGS,
        }

    def engine_settings(self) -> EngineSettings:
        """The same for the engine itself."""
        return EngineSettings(
            dns_servers=(f"{self.network[1]}:{self.ports[53]}",),
            trust_ca_file=self.ca_file,
            dnssec_trust_anchor_file=self.trust_anchor_file,
            egress_allow=(self.network,),
            scan_port_map=self.ports,
            ct_url=SETTINGS["CL_CT_URL"],
            rdap_bootstrap_url=SETTINGS["CL_RDAP_BOOTSTRAP_URL"],
            dnsbl_zones=tuple(SETTINGS["CL_DNSBL_ZONES"].split(",")),
            breach_url=SETTINGS["CL_BREACH_URL"],
        )

    async def serve(self, *new: Site) -> Self:
        """Start these sites, each on addresses of its own; gives the lab itself."""
        for site in new:
            if site.name in self._served:
                raise ValueError(f"{site.name} is served already: change() replaces it")
            index = len(self._served)
            if index >= MAX_SITES:
                raise ValueError(f"a lab has room for {MAX_SITES} sites")
            await self._start(site, index)
        return self

    async def change(self, site: Site) -> None:
        """Replace the served site of the same name, on the same addresses."""
        served = self._served[site.name]
        await served.stack.aclose()
        await self._start(site, served.index)

    def place(self, name: str) -> Place:
        """The addresses of a served site."""
        return self._served[name].place

    def _place(self, site: Site, index: int) -> Place:
        if len(site.zone.nameservers) > MAX_NAMESERVERS:
            raise ValueError(f"a site has room for {MAX_NAMESERVERS} name servers")
        web = SITE_BLOCK + 2 * index
        nameservers = tuple(
            str(self.network[spec.network * HALF + NAMESERVER_BLOCK + MAX_NAMESERVERS * index + number])
            for number, spec in enumerate(site.zone.nameservers)
        )
        return Place(str(self.network[web]), str(self.network[web + 1]), nameservers)

    async def _start(self, site: Site, index: int) -> None:
        place = self._place(site, index)
        identity = sites.identity(site, self.ca)
        data = {"web": place.web, "mail": place.mail, "tlsa": identity.tlsa if identity else "00" * 32}
        data["silent"] = self._silent
        zone = Zone(site.name, site.zone, data, place.nameservers)
        async with AsyncExitStack() as stack:
            for spec, address in zip(site.zone.nameservers, place.nameservers, strict=True):
                if spec.behaviour != "absent":
                    server = await DnsServer.start(NameServer(zone, spec, self._resolver), address, self.ports[53])
                    stack.push_async_callback(server.aclose)
            await stack.enter_async_context(await sites.serve(site, place, self.ports, self.ca, identity))
            self._resolver.zones[dns_name(site.name)] = zone
            self._sources.know(site.name, site.known, place.web)
            self._served[site.name] = _Served(site, index, place, stack.pop_all())
