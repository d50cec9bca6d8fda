"""Checks of revocation: what the issuers say of the certificates, and what the server says of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_hosts import by_service, s_client
from services.scanner.engine.checks.tls_trust import SHOW
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Endpoint, Service, Standing, Status, Tls

_SPLIT = """awk '/BEGIN CERT/{n++} n{print > ("cert" n ".pem")}'"""


@check("ssl_certificate_revoked")
def revoked(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        if isinstance(service.revocation, Unseen):
            return not_tested(endpoint.asset, service.revocation)
        statuses = service.revocation.statuses
        for depth, status in enumerate(statuses):
            if isinstance(status.standing, Standing) and status.standing.status == "revoked":
                return _revoked(endpoint, depth, status, status.standing)
        if isinstance(statuses[0].standing, Standing) and statuses[0].standing.status == "unpublished":
            return not_applicable(endpoint.asset, "the certificate names no place that tells whether it was revoked")
        for status in statuses:
            if isinstance(status.standing, Unseen):
                return not_tested(endpoint.asset, status.standing)
        return passed(endpoint.asset, certificates=[_said(status) for status in statuses])

    return by_service(tls, judge)


@check("ssl_must_staple_violated")
def must_staple_violated(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        certificate, revocation = service.certificate, service.revocation
        if isinstance(certificate, Unseen):
            return not_tested(endpoint.asset, certificate)
        if not certificate.must_staple:
            return not_applicable(endpoint.asset, "the certificate does not demand a staple")
        if isinstance(revocation, Unseen):
            return not_tested(endpoint.asset, revocation)
        staple = revocation.staple
        if isinstance(staple, Unseen):
            return not_tested(endpoint.asset, staple)
        reproduce = s_client(endpoint, "-status") + " | grep -A 17 'OCSP'"
        if staple is None:
            reason = "the certificate demands a stapled OCSP response, and the server sends none"
            return failed(endpoint.asset, reason, reproduce=reproduce, staple=None)
        if staple.flaw:
            reason = f"the certificate demands a stapled OCSP response, and the one sent is of no use: {staple.flaw}"
            return failed(endpoint.asset, reason, reproduce=reproduce, staple=staple.flaw)
        return passed(endpoint.asset, staple=staple.status, next_update=_iso(staple.next_update))

    return by_service(tls, judge)


def _revoked(endpoint: Endpoint, depth: int, status: Status, standing: Standing) -> Verdict:
    whose = "the certificate" if depth == 0 else f"the authority's certificate {status.subject}"
    when = f" on {standing.revoked_at:%Y-%m-%d}" if standing.revoked_at else ""
    why = f" ({standing.reason})" if standing.reason else ""
    return failed(
        endpoint.asset,
        f"{whose} was revoked{when}{why}",
        reproduce=_reproduce(endpoint, depth, standing),
        subject=status.sha256 if depth else "",
        **_said(status),
    )


def _said(status: Status) -> Mapping[str, Any]:
    standing = status.standing
    assert isinstance(standing, Standing)
    said: dict[str, Any] = {"certificate": status.subject, "status": standing.status}
    if standing.source:
        said |= {"source": standing.source, "this_update": _iso(standing.this_update)}
    if standing.next_update:
        said["next_update"] = _iso(standing.next_update)
    if standing.address:
        said["asked"] = standing.address
    if standing.revoked_at:
        said |= {"revoked_at": _iso(standing.revoked_at), "because": standing.reason or "unspecified"}
    return said


def _reproduce(endpoint: Endpoint, depth: int, standing: Standing) -> str:
    """The chain is split into cert1.pem, cert2.pem and so on, in the order in which it is sent."""
    if standing.source == "staple":
        return s_client(endpoint, "-status") + " | grep -A 25 'OCSP response'"
    files = f"{s_client(endpoint, SHOW)} | {_SPLIT}"
    if standing.source == "ocsp":
        ask = f"openssl ocsp -issuer cert{depth + 2}.pem -cert cert{depth + 1}.pem -url '{_quoted(standing.address)}'"
        return f"{files}; {ask} -no_nonce -noverify"
    serial = f"$(openssl x509 -in cert{depth + 1}.pem -noout -serial | cut -d= -f2)"
    fetched = f"curl -s '{_quoted(standing.address)}' | openssl crl -inform DER -noout -text"
    return f'{files}; {fetched} | grep -A 4 "{serial}"'


def _quoted(address: str) -> str:
    """An address that a certificate names, safe within single quotes."""
    return address.replace("'", "%27")


def _iso(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
