"""Checks of the certificate: dates, names, key, signature and lifetime."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_hosts import by_certificate, by_service, s_client
from services.scanner.engine.checks.tls_trust import SHOW, privately_issued
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Certificate, Endpoint, Service, Tls, Trust

_MINIMUM_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
# The longest validity by the day of issue: CA/Browser Forum Baseline Requirements 6.3.2, ballot SC-081v3.
_LONGEST = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
)


@check("ssl_certificate_expired")
def expired(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        seen: dict[str, Any] = {"not_after": _iso(certificate.not_after), "observed_at": _iso(endpoint.observed_at)}
        if endpoint.observed_at <= certificate.not_after:
            return passed(endpoint.asset, **seen)
        reason = f"the certificate expired on {certificate.not_after:%Y-%m-%d}"
        return failed(endpoint.asset, reason, reproduce=_dates(endpoint), **seen)

    return by_certificate(tls, judge)


@check("ssl_certificate_expiring_soon")
def expiring_soon(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        left = certificate.not_after - endpoint.observed_at
        window = min(certificate.lifetime / 3, timedelta(days=30))
        seen: dict[str, Any] = {
            "not_after": _iso(certificate.not_after),
            "days_left": left.days,
            "window_days": window.days,
        }
        if left < timedelta(0):
            return not_applicable(endpoint.asset, "the certificate has expired already")
        if left > window:
            return passed(endpoint.asset, **seen)
        return failed(endpoint.asset, f"the certificate ends in {left.days} days", reproduce=_dates(endpoint), **seen)

    return by_certificate(tls, judge)


@check("ssl_certificate_not_yet_valid")
def not_yet_valid(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        seen: dict[str, Any] = {"not_before": _iso(certificate.not_before), "observed_at": _iso(endpoint.observed_at)}
        if certificate.not_before <= endpoint.observed_at:
            return passed(endpoint.asset, **seen)
        reason = f"the certificate is valid only from {certificate.not_before:%Y-%m-%d}"
        return failed(endpoint.asset, reason, reproduce=_dates(endpoint), **seen)

    return by_certificate(tls, judge)


@check("ssl_certificate_name_mismatch")
def name_mismatch(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        names = [*certificate.dns_names, *certificate.ip_addresses][:50]
        seen: dict[str, Any] = {"host": endpoint.host, "names": names}
        if certificate.covers(endpoint.host):
            return passed(endpoint.asset, **seen)
        reproduce = s_client(endpoint) + " | openssl x509 -noout -ext subjectAltName"
        return failed(endpoint.asset, f"no name in the certificate is {endpoint.host}", reproduce=reproduce, **seen)

    return by_certificate(tls, judge)


@check("ssl_certificate_weak_key")
def weak_key(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        if certificate.key_type == "other":
            return not_tested(endpoint.asset, Unseen("its key is of a type that is not known here", "ours"))
        seen: dict[str, Any] = {"key_type": certificate.key_type, "key_bits": certificate.key_bits}
        reproduce = s_client(endpoint) + " | openssl x509 -noout -text | grep -A 25 Public-Key"
        if certificate.key_bits < _MINIMUM_BITS.get(certificate.key_type, 0):
            reason = f"the key is {certificate.key_type} of {certificate.key_bits} bit"
            return failed(endpoint.asset, reason, reproduce=reproduce, **seen)
        if certificate.key_flaws:
            seen["flaws"] = list(certificate.key_flaws)
            return failed(endpoint.asset, f"the key {certificate.key_flaws[0]}", reproduce=reproduce, **seen)
        return passed(endpoint.asset, **seen)

    return by_certificate(tls, judge)


@check("ssl_certificate_weak_signature")
def weak_signature(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        if isinstance(service.chain, Unseen):
            return not_tested(endpoint.asset, service.chain)
        path = service.trust.path if isinstance(service.trust, Trust) else ()
        used = [each for each in service.chain if not path or each.sha256 in path]  # others serve old clients
        judged = [each for each in used if not each.self_issued]  # nobody relies on a root's own signature
        seen: dict[str, Any] = {"signatures": {each.subject: each.signature_algorithm for each in judged}}
        for each in judged:
            if any(digest in each.signature_algorithm for digest in ("MD5", "SHA1")):
                reason = f"{each.subject} is signed with {each.signature_algorithm}"
                return failed(endpoint.asset, reason, reproduce=_signatures(endpoint), **seen)
        return passed(endpoint.asset, **seen)

    return by_service(tls, judge)


@check("ssl_certificate_lifetime_excessive")
def lifetime_excessive(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        certificate = service.certificate
        if isinstance(certificate, Unseen):
            return not_tested(endpoint.asset, certificate)
        if private := privately_issued(service):
            return not_applicable(endpoint.asset, f"the limits bind public authorities: {private}")
        if isinstance(service.trust, Trust) and not service.trust.root:
            reason = f"{service.trust.reason}, so nothing proves that a public authority issued it"
            return not_tested(endpoint.asset, Unseen(reason, "target"))
        longest = next((days for since, days in _LONGEST if certificate.not_before >= since), None)
        if longest is None:
            return not_applicable(endpoint.asset, "the certificate is older than the limits")
        seen: dict[str, Any] = {
            "not_before": _iso(certificate.not_before),
            "days": certificate.lifetime.days,
            "longest": longest,
        }
        if certificate.lifetime <= timedelta(days=longest):
            return passed(endpoint.asset, **seen)
        reason = f"the certificate is valid for {certificate.lifetime.days} days, {longest} are the limit"
        return failed(endpoint.asset, reason, reproduce=_dates(endpoint), **seen)

    return by_service(tls, judge)


@check("ssl_wildcard_certificate")
def wildcard(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, certificate: Certificate) -> Verdict:
        names = [name for name in certificate.dns_names if name.startswith("*.")]
        if not names:
            return passed(endpoint.asset, names=list(certificate.dns_names[:50]))
        reproduce = s_client(endpoint) + " | openssl x509 -noout -ext subjectAltName"
        return failed(endpoint.asset, f"the certificate covers {names[0]}", reproduce=reproduce, names=names[:50])

    return by_certificate(tls, judge)


def _dates(endpoint: Endpoint) -> str:
    return s_client(endpoint) + " | openssl x509 -noout -dates"


def _signatures(endpoint: Endpoint) -> str:
    """Of every certificate that is sent; `openssl x509` would show the first alone."""
    bundle = "openssl crl2pkcs7 -nocrl -certfile /dev/stdin | openssl pkcs7 -print_certs -noout -text"
    return f"{s_client(endpoint, SHOW)} | {bundle} | grep -E 'Subject:|Signature Algorithm'"


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
