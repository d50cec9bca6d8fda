"""One verdict a host name, out of what its addresses answered."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from services.scanner.engine.check import Verdict, merged, not_applicable, not_tested
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Certificate, Endpoint, NoService, Service, Tls


def by_service(tls: Tls, judge: Callable[[Endpoint, Service], Verdict]) -> Iterator[Verdict]:
    """`judge` each endpoint that speaks TLS; the addresses of one host give one verdict."""
    if not tls.endpoints:
        yield not_applicable(tls.domain, "it has no web host, and its mail hosts speak no TLS but on port 25")
    yield from merged(_judged(endpoint, judge) for endpoint in tls.endpoints)


def by_certificate(tls: Tls, judge: Callable[[Endpoint, Certificate], Verdict]) -> Iterator[Verdict]:
    """The same for the certificate of each endpoint."""

    def of_service(endpoint: Endpoint, service: Service) -> Verdict:
        certificate = service.certificate
        if isinstance(certificate, Unseen):
            return not_tested(endpoint.asset, certificate)
        return judge(endpoint, certificate)

    return by_service(tls, of_service)


_STARTTLS = {25: "smtp", 587: "smtp", 143: "imap", 110: "pop3"}


def s_client(endpoint: Endpoint, options: str = "") -> str:
    """The command that shows it again."""
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    starttls = f"-starttls {_STARTTLS[endpoint.port]} " if endpoint.port in _STARTTLS else ""
    command = (
        f"openssl s_client {starttls}-connect {address}:{endpoint.port} -servername {endpoint.host} {options}".rstrip()
    )
    return f"{command} </dev/null"


def nmap(endpoint: Endpoint, scripts: str = "ssl-enum-ciphers") -> str:
    """For what OpenSSL is built without nowadays; nmap speaks it by itself."""
    return f"nmap -Pn -p {endpoint.port} --script {scripts} {endpoint.host}"


def _judged(endpoint: Endpoint, judge: Callable[[Endpoint, Service], Verdict]) -> Verdict:
    match endpoint.service:
        case Unseen() as unseen:
            return not_tested(endpoint.asset, unseen)
        case NoService(reason):
            return not_applicable(endpoint.asset, reason)
        case Service() as service:
            verdict = judge(endpoint, service)
            return replace(verdict, evidence={"address": endpoint.address, **verdict.evidence})
