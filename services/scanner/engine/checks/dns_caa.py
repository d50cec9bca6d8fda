"""Which authorities may issue certificates for the domain (RFC 8659)."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone
from services.scanner.engine.parsers import caa
from services.scanner.engine.parsers.errors import ParseError


@check("dns_caa_missing")
def caa_missing(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    relevant = zone.relevant_caa
    if isinstance(relevant, Unseen):
        yield not_tested(domain, relevant)
    elif relevant is None:
        yield failed(
            domain,
            "no CAA record says which authorities may issue certificates: any may",
            reproduce=f"dig {domain} CAA",
            asked=[found.name for found in zone.caa],
        )
    else:
        yield passed(domain, f"CAA stands at {relevant.name}", at=relevant.name, records=_texts(relevant.records))


@check("dns_caa_invalid")
def caa_invalid(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    relevant = zone.relevant_caa
    if isinstance(relevant, Unseen):
        yield not_tested(domain, relevant)
        return
    if relevant is None:
        yield not_applicable(domain, "there is no CAA record")
        return
    problems = [problem for record in _texts(relevant.records) if (problem := _caa_problem(record))]
    if not problems:
        yield passed(domain, "every CAA record parses", at=relevant.name, records=_texts(relevant.records))
        return
    yield failed(
        domain,
        problems[0],
        reproduce=f"dig {relevant.name} CAA",
        at=relevant.name,
        records=_texts(relevant.records),
        problems=problems,
    )


def _caa_problem(record: str) -> str:
    try:
        caa.parse(record)
    except ParseError as error:
        return str(error)
    return ""


def _texts(records: tuple[str, ...] | Unseen) -> list[str]:
    return [] if isinstance(records, Unseen) else list(records)
