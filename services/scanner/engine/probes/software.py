"""What all the other evidence says of the software in use: one list, with versions. Nothing is asked of the network."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone
from services.scanner.engine.evidence.exposure import Scripts
from services.scanner.engine.evidence.http import Http, Page, Response
from services.scanner.engine.evidence.mail_transport import Greeting, MailTransport
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress
from services.scanner.engine.evidence.software import Hidden, Software, Technology
from services.scanner.engine.facts import distributions, technologies
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import technologies as parser
from services.scanner.engine.parsers.technologies import Trace
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

MAX_TECHNOLOGIES = 300
WEB_PORTS = (80, 443)  # whose answers the http probe saw whole
_PACKAGED = ("header", "banner", "version.bind")  # where a distribution leaves its marks
_GREETING = frozenset({"ssh", "ftp", "smtp", "pop3", "imap", "telnet", "mysql", "rsync", "vnc"})


@probe(budget=5.0)
async def software(
    target: Target,
    network: Network,
    http: Http | Unseen,
    scripts: Scripts | Unseen,
    ports: Ports | Unseen,
    mail: MailTransport | Unseen,
    zone: DnsZone | Unseen,
) -> Software:
    found: list[Technology] = []
    looked_at: list[str] = []
    hidden: list[Hidden] = []
    if isinstance(http, Unseen):
        hidden.append(Hidden(target.domain, http))
    else:
        found += _of_web(http, scripts)
        refused = {
            page.asset: Unseen(page.turned_away, "target")
            for page in http.pages
            if page.turned_away and page.response.status != 401
        }
        answering = [service.asset for service in http.services if service.chain and not _unseen(service.chain)]
        looked_at += [asset for asset in answering if asset not in refused]
        hidden += [Hidden(asset, reason) for asset, reason in refused.items()]
        hidden += [Hidden(s.asset, s.chain) for s in http.services if isinstance(s.chain, Unseen)]
    if isinstance(ports, Unseen):
        hidden.append(Hidden(target.domain, ports))
    else:
        found += _of_ports(ports)
        looked_at += [
            f"{at.host}:{port.port}" for at in ports.addresses for port in at.open if port.port not in WEB_PORTS
        ]
        hidden += [Hidden(at.host, at.unseen) for at in ports.addresses if at.unseen]
    if not isinstance(mail, Unseen):
        found += _of_mail(mail)
    if not isinstance(zone, Unseen):
        found += _of_name_servers(zone)
    return Software(
        domain=target.domain,
        seen_on=network.now().date(),
        technologies=tuple(_distinct(_same_package(found)))[:MAX_TECHNOLOGIES],
        looked_at=tuple(dict.fromkeys(looked_at)),
        hidden=tuple({place.asset: place for place in hidden}.values()),
    )


def _unseen(value: object) -> bool:
    return isinstance(value, Unseen)


def _of_web(http: Http, scripts: Scripts | Unseen) -> Iterator[Technology]:
    for response in _responses(http):
        for trace in parser.in_headers(response.headers):
            name = trace.shown.partition(":")[0]
            command = _curl(response.url, "-o", "/dev/null", "-D", "-") + f" | grep -i {shlex.quote('^' + name)}"
            yield _technology(response.asset, trace, command)
    read: dict[tuple[str, ...], tuple[Trace, ...]] = {}  # pages of several addresses are often one
    for page in http.pages:
        yield from _of_page(page, scripts, read)


def _responses(http: Http) -> Iterator[Response]:
    """Every answer of the domain's own hosts, of each address once."""
    seen: set[tuple[str, str, int]] = set()
    chains = (service.chain for service in http.services if not isinstance(service.chain, Unseen))
    for response in (*(hop for chain in chains for hop in chain), *(page.response for page in http.pages)):
        key = (response.address, response.url, response.status)
        if http.own(response.host) and key not in seen:
            seen.add(key)
            yield response


def _of_page(
    page: Page, scripts: Scripts | Unseen, read: dict[tuple[str, ...], tuple[Trace, ...]]
) -> Iterator[Technology]:
    url = page.response.url
    replies = (reply for reply in page.errors if not isinstance(reply, Unseen))
    for shown_at, traces in ((url, page.traces), *((reply.url, reply.traces) for reply in replies)):
        for trace in traces:
            yield _technology(page.asset, trace, f"{_curl(shown_at)} | grep -F {shlex.quote(trace.shown[:30])}")
    if page.document:
        for content in page.document.generators:
            for trace in parser.generated(content):
                yield _technology(page.asset, trace, f"{_curl(url)} | grep -i generator")
        loaded = tuple(resource.url for resource in page.document.loads("script", "style", "frame"))
        if loaded not in read:
            read[loaded] = parser.in_urls(loaded)
        for trace in read[loaded]:
            path = urlsplit(trace.shown).path[-60:] or trace.shown[:60]
            yield _technology(page.asset, trace, f"{_curl(url)} | grep -F {shlex.quote(path)}")
    for script in () if isinstance(scripts, Unseen) else scripts.of(page.asset):
        for trace in script.traces:
            yield _technology(page.asset, trace, f"{_curl(script.url)} | head -c {parser.HEAD}")


def _of_ports(ports: Ports) -> Iterator[Technology]:
    for at in ports.addresses:
        for port in at.open:
            if port.port not in WEB_PORTS:
                for trace in _of_port(port):
                    yield _technology(f"{at.host}:{port.port}", trace, _ask_again(at, port))


def _of_port(port: OpenPort) -> Iterator[Trace]:
    seen = parser.in_banner(port.protocol, port.banner)
    yield from seen
    if port.product and not any(trace.version for trace in seen):
        yield from parser.called(port.product, port.version, port.banner)


def _of_mail(mail: MailTransport) -> Iterator[Technology]:
    for server in () if isinstance(mail.servers, Unseen) else mail.servers:
        if isinstance(server.greeting, Greeting):
            for trace in parser.in_banner("smtp", server.greeting.text):
                yield _technology(server.asset, trace, f"nc -w 5 {shlex.quote(server.host)} 25")


def _of_name_servers(zone: DnsZone) -> Iterator[Technology]:
    for server in zone.servers:
        if isinstance(server.version, str) and server.version:
            command = f"dig +short @{server.address} version.bind CH TXT"
            for trace in parser.in_name_server(server.version):
                yield _technology(f"{server.name}:53", trace, command)


def _technology(asset: str, trace: Trace, reproduce: str) -> Technology:
    product = technologies.product(trace.product)
    version = parser.upstream(trace.product, trace.version)
    packaged = trace.place.endswith(_PACKAGED)
    mark = distributions.mark(trace.product, version, trace.shown) if packaged else distributions.NONE
    return Technology(
        asset,
        product.id,
        product.name,
        product.kind,
        version,
        trace.place,
        trace.shown,
        reproduce,
        trace.certainty,
        mark.system,
        mark.releases,
        distributions.platform(trace.shown) if packaged else "",
        product.whole,
        product.gateway,
        product.protects,
    )


def _distinct(found: Iterable[Technology]) -> Iterator[Technology]:
    """Of each product at an asset: every version that shows, or the product alone where none does.

    What a host says over plain HTTP as it does over HTTPS is one server's word, not two.
    """
    by_product: dict[tuple[str, str], dict[str, Technology]] = {}
    for one in found:
        versions = by_product.setdefault((one.asset, one.product), {})
        known = versions.get(one.version)
        if known is None or (known.certainty == "inferred" and one.certainty == "confirmed"):
            versions[one.version] = one
    for (asset, product), versions in by_product.items():
        told = [one for version, one in versions.items() if version]
        secure = by_product.get((f"{asset.removesuffix(':80')}:443", product), {}) if asset.endswith(":80") else {}
        yield from (one for one in _informed(told or list(versions.values())) if one.version not in secure)


def _informed(told: list[Technology]) -> Iterator[Technology]:
    """ "2.4" beside "2.4.6" is the same, told less well."""
    for one in told:
        if not any(other.version.startswith(f"{one.version}.") for other in told):
            yield one


def _ask_again(at: ScannedAddress, port: OpenPort) -> str:
    if port.protocol in _GREETING and not port.tls:
        return f"nc -w 5 {at.address} {port.port}"
    return f"nmap -Pn -sV -p {port.port} {at.address}"


def _curl(url: str, *options: str) -> str:
    return shlex.join(["curl", "-sk", *options, url])


def _same_package(found: list[Technology]) -> Iterator[Technology]:
    """What one line names together was built together: the release that one shows is the others' too."""
    releases = {(one.asset, one.shown, one.system): one.releases for one in found if one.system and one.releases}
    for one in found:
        known = releases.get((one.asset, one.shown, one.system))
        yield replace(one, releases=known) if known and not one.releases else one
