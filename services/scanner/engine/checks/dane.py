"""DANE for SMTP: TLSA records of the mail hosts, and whether the certificates they show are those."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from shlex import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dane import Dane, TlsaSet
from services.scanner.engine.evidence.mail_transport import MailServer, MailTransport
from services.scanner.engine.evidence.tls import Certificate, Service
from services.scanner.engine.parsers import tlsa
from services.scanner.engine.parsers.tlsa import DANE_EE, DANE_TA, Tlsa

_TAKES_NO_MAIL = "the domain takes no mail: it has no MX host"


def usable_of(found: TlsaSet) -> tuple[Tlsa, ...]:
    return () if isinstance(found.records, Unseen) else tlsa.usable(found.records)


def secured(found: TlsaSet) -> bool | Unseen:
    """Whether senders find records that they can use, with DNSSEC behind them (RFC 7672 sections 2.1 and 3.1)."""
    if isinstance(found.records, Unseen):
        return found.records
    if not usable_of(found):
        return False
    return found.security if isinstance(found.security, Unseen) else found.security == "secure"


def _dig(found: TlsaSet) -> str:
    return f"dig +dnssec {quote(found.name)} TLSA"


@check("dane_missing")
def dane_missing(dane: Dane) -> Iterator[Verdict]:
    if isinstance(dane.sets, Unseen):
        yield not_tested(dane.domain, dane.sets)
        return
    if not dane.sets:
        yield not_applicable(dane.domain, _TAKES_NO_MAIL)
    for found in dane.sets:
        known = secured(found)
        asset = f"{found.host}:25"
        if isinstance(known, Unseen):
            yield not_tested(asset, known)
        elif known:
            yield passed(asset, "senders find TLSA records that they can use", records=list(map(str, usable_of(found))))
        else:
            yield failed(asset, _why_not(found), reproduce=_dig(found), records=found.records, security=found.security)


def _why_not(found: TlsaSet) -> str:
    if not found.records:
        return "no TLSA record tells senders which certificate to expect"
    if not usable_of(found):
        return "senders of mail can use none of its TLSA records: they take the usages 2 and 3 alone"
    return f"its TLSA records are {found.security} by DNSSEC, so that no sender uses them"


@check("dane_mismatch")
def dane_mismatch(dane: Dane, transport: MailTransport) -> Iterator[Verdict]:
    """RFC 7672 section 3.2: with usable records, a sender delivers to a server that matches one, or not at all."""
    if isinstance(dane.sets, Unseen):
        yield not_tested(dane.domain, dane.sets)
        return
    for found in dane.sets:
        if isinstance(found.records, Unseen):
            yield not_tested(f"{found.host}:25", found.records)
    if not any(usable_of(found) or isinstance(found.records, Unseen) for found in dane.sets):
        yield not_applicable(dane.domain, "no mail host has TLSA records that senders could use")
        return
    servers = () if isinstance(transport.servers, Unseen) else transport.servers
    yield from merged(
        _judged(found, server, dane.domain)
        for found in dane.sets
        for server in servers
        if server.host == found.host and usable_of(found)
    )


def _judged(found: TlsaSet, server: MailServer, domain: str) -> Verdict:
    known = secured(found)
    if isinstance(known, Unseen):
        return not_tested(server.asset, known)
    if not known:
        return not_applicable(server.asset, f"its TLSA records are {found.security} by DNSSEC: no sender uses them")
    if isinstance(server.greeting, Unseen):
        return not_tested(server.asset, server.greeting)
    place = f"[{server.address}]:25" if ":" in server.address else f"{server.address}:25"
    records = list(map(str, usable_of(found)))
    reproduce = (
        f"openssl s_client -starttls smtp -connect {place} -dane_tlsa_domain {quote(server.host)} "
        + " ".join(f"-dane_tlsa_rrdata {quote(record)}" for record in records[:4])
        + " < /dev/null"
    )
    if isinstance(server.tls, Unseen):
        return not_tested(server.asset, server.tls)
    if not isinstance(server.tls, Service):
        reason = "it has TLSA records and does not speak TLS: senders that know DANE do not deliver"
        return failed(server.asset, reason, reproduce=reproduce, records=records, address=server.address)
    chain = server.tls.chain
    if isinstance(chain, Unseen):
        return not_tested(server.asset, chain)
    if not all(certificate.der for certificate in chain):
        return not_tested(server.asset, Unseen("a certificate is too long to be compared", "target"))
    matching = next((record for record in usable_of(found) if _matches(record, chain, server, domain)), None)
    if matching:
        return passed(server.asset, f"its certificate is that of {tlsa.USAGES[matching.usage]}", record=str(matching))
    return failed(
        server.asset,
        "no TLSA record matches the certificates that it shows: senders that know DANE do not deliver",
        reproduce=reproduce,
        records=records,
        address=server.address,
        certificate=chain[0].sha256,
    )


def _matches(record: Tlsa, chain: tuple[Certificate, ...], server: MailServer, domain: str) -> bool:
    if record.usage == DANE_EE:
        return record.matches(chain[0].der)
    if record.usage != DANE_TA or not any(chain[0].covers(name) for name in (server.host, domain)):
        return False
    sent = [certificate.der for certificate in chain]
    if record.matching == 0 and record.selector == 0 and record.data not in sent:
        sent.append(record.data)  # the record brings the anchor along
    anchors = [index for index, der in enumerate(sent) if record.matches(der)]
    return any(_path(sent[: index + 1], server.observed_at) for index in anchors)


def _path(chain: list[bytes], at: datetime) -> bool:
    """Whether each is current and signed by the next."""
    try:
        parsed = [x509.load_der_x509_certificate(der) for der in chain]
        for below, above in pairwise(parsed):
            below.verify_directly_issued_by(above)
        return all(one.not_valid_before_utc <= at <= one.not_valid_after_utc for one in parsed)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
