"""What monitoring compares from scan to scan, each with whether it was tested at all."""

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import Ports
from services.scanner.engine.evidence.tls import Service, Tls
from services.scanner.engine.observations import Observations
from shared.contracts.events import CertificateFact, ScanFacts


def facts(observations: Observations) -> ScanFacts:
    addresses = observations.evidence.get(Addresses)
    tls = observations.evidence.get(Tls)
    ports = observations.evidence.get(Ports)
    certificates = _certificates(tls) if isinstance(tls, Tls) else None
    nameservers = mx = None
    if isinstance(addresses, Addresses):
        nameservers = None if isinstance(addresses.nameservers, Unseen) else addresses.nameservers
        mx = None if isinstance(addresses.mx, Unseen) else addresses.mx
    open_ports = _open_ports(ports) if isinstance(ports, Ports) else None
    return ScanFacts(
        certificates=certificates or (),
        certificates_tested=certificates is not None,
        nameservers=tuple(sorted(host.name for host in nameservers or ())),
        nameservers_tested=nameservers is not None,
        mx=tuple(sorted(host.name for host in mx or ())),
        mx_tested=mx is not None,
        open_ports=open_ports or (),
        open_ports_tested=open_ports is not None,
    )


def _certificates(tls: Tls) -> tuple[CertificateFact, ...] | None:
    """One a host, port and certificate: addresses of one host usually show the same."""
    if isinstance(tls.endpoints, Unseen):
        return None
    found = {}
    for endpoint in tls.endpoints:
        if isinstance(endpoint.service, Service) and not isinstance(endpoint.service.certificate, Unseen):
            certificate = endpoint.service.certificate
            found[endpoint.asset, certificate.sha256] = CertificateFact(
                host=endpoint.host,
                port=endpoint.port,
                not_after=certificate.not_after,
                issuer=certificate.issuer,
                sha256=certificate.sha256,
            )
    return tuple(found[key] for key in sorted(found))


def _open_ports(ports: Ports) -> tuple[str, ...] | None:
    """None unless every address could be looked at: a port that is not seen is not a port that was closed."""
    if isinstance(ports.addresses, Unseen) or any(scanned.unseen for scanned in ports.addresses):
        return None
    return tuple(sorted(f"{scanned.host}:{port.port}" for scanned in ports.addresses for port in scanned.open))
