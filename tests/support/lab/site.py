"""One domain of the lab: its zone, web server, TLS, ports and mail host, each described by a frozen dataclass."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from tests.support.lab import mail as mail_servers
from tests.support.lab import ports as port_servers
from tests.support.lab import tls as tls_servers
from tests.support.lab import web as web_servers
from tests.support.lab.ca import CertificateAuthority
from tests.support.lab.closing import Listener
from tests.support.lab.dns import ZoneSpec
from tests.support.lab.mail import Identity, MailSpec
from tests.support.lab.ports import PortsSpec
from tests.support.lab.signing import Signing
from tests.support.lab.sources import Known
from tests.support.lab.tls import TlsSpec
from tests.support.lab.web import WebSpec

DKIM_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # the Ed25519 key of RFC 8463, appendix A.2


@dataclass(frozen=True, slots=True)
class Site:
    """A domain. The defaults are hardened; a test replaces the one setting it is about."""

    name: str
    zone: ZoneSpec
    web: WebSpec | None = field(default_factory=WebSpec)
    tls: TlsSpec | None = field(default_factory=TlsSpec)
    ports: PortsSpec = field(default_factory=PortsSpec)
    mail: MailSpec | PortsSpec | None = field(default_factory=MailSpec)
    known: Known = field(default_factory=Known)  # to others: registry, logs, block lists


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses that a lab gave to a site."""

    web: str
    mail: str
    nameservers: tuple[str, ...]


def hardened(name: str) -> Site:
    """The baseline: a scan of it is grade A, and every check passes or does not apply."""
    zone = ZoneSpec(
        records=(
            ("@", "A", "$web"),
            ("www", "A", "$web"),
            ("mail", "A", "$mail"),
            ("@", "MX", "10 mail"),
            ("@", "TXT", "v=spf1 mx -all"),
            ("_25._tcp.mail", "TLSA", "3 1 1 $tlsa"),
            ("_mta-sts", "TXT", "v=STSv1; id=20261124"),
            ("mta-sts", "A", "$mail"),
            ("_smtp._tls", "TXT", f"v=TLSRPTv1; rua=mailto:tls@{name}"),
            ("_dmarc", "TXT", f"v=DMARC1; p=reject; rua=mailto:dmarc@{name}"),
            ("default._domainkey", "TXT", f"v=DKIM1; k=ed25519; p={DKIM_KEY}"),
            ("@", "CAA", '0 issue "ca.test"'),
            ("@", "CAA", f'0 iodef "mailto:security@{name}"'),
        ),
        signing=Signing(),
    )
    return Site(name, zone)


def identity(site: Site, ca: CertificateAuthority) -> Identity | None:
    """Of its mail host, where it has one of its own."""
    return mail_servers.identity(site.name, site.mail, ca) if isinstance(site.mail, MailSpec) else None


async def serve(
    site: Site, place: Place, ports: Mapping[int, int], ca: CertificateAuthority, identity: Identity | None
) -> AsyncExitStack:
    """Start everything of the site but its DNS. Closing the stack stops it."""
    async with AsyncExitStack() as stack:
        if site.web is not None:
            plain = await Listener.start(partial(web_servers.handle, site.web, scheme="http"), place.web, ports[80])
            stack.push_async_callback(plain.aclose)
        if site.web is not None and site.tls is not None:
            connected = partial(web_servers.handle, site.web, scheme="https")
            names = (site.name, f"www.{site.name}")
            secure = await tls_servers.serve(site.tls, names, place.web, ports[443], ca, connected)
            stack.push_async_callback(secure.aclose)
        if isinstance(site.mail, MailSpec) and identity is not None:
            mail = await mail_servers.serve(site.name, site.mail, identity, place.mail, ports, ca)
            stack.push_async_callback(mail.aclose)
        for spec, address in ((site.ports, place.web), (site.mail, place.mail)):
            if isinstance(spec, PortsSpec):
                stack.push_async_callback((await port_servers.serve(spec, address, ports)).aclose)
        return stack.pop_all()
