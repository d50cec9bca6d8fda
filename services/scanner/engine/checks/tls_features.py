"""Checks of what a TLS server offers beside versions and suites."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_attacks import named
from services.scanner.engine.checks.tls_hosts import by_service, nmap, s_client
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Declined, Endpoint, Service, Tls, Version

HYBRIDS = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")  # RFC 10024
_FALLBACK_TO: dict[Version, str] = {"TLSv1.1": "-tls1_1", "TLSv1.0": "-tls1", "SSLv3": "-ssl3"}


@check("ssl_compression_enabled")
def compression(tls: Tls) -> Iterator[Verdict]:
    """Of TLS up to 1.2: 1.3 has none (RFC 8446 section 4.1.2)."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        if not any(answer.version not in ("SSLv2", "TLSv1.3") for answer in service.accepted):
            return not_applicable(endpoint.asset, "no version that has compression is accepted")
        match service.compression:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined(how):
                return passed(endpoint.asset, answer=how)
            case Accepted(version, suite):
                return failed(
                    endpoint.asset,
                    f"{version} is accepted with compression by DEFLATE",
                    reproduce=nmap(endpoint) + " | grep -A2 compressors",
                    version=version,
                    suite=suite,
                    attacks=named("CRIME"),
                )

    return by_service(tls, judge)


@check("ssl_no_downgrade_protection")
def no_downgrade_protection(tls: Tls) -> Iterator[Verdict]:
    """RFC 7507, which RFC 8996 made obsolete together with the versions that it protects from falling back to."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        accepted = [answer.version for answer in service.accepted]
        match service.fallback:
            case None:
                return not_applicable(endpoint.asset, "no version before TLS 1.2 is accepted beside a later one")
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined(how):
                return passed(endpoint.asset, answer=how, accepted=accepted)
            case Accepted(version, suite):
                options = f"{_FALLBACK_TO.get(version, '-tls1')} -fallback_scsv -cipher ALL:@SECLEVEL=0"
                return failed(
                    endpoint.asset,
                    f"{version} is accepted with TLS_FALLBACK_SCSV, although {accepted[-1]} is accepted as well",
                    reproduce=s_client(endpoint, options),
                    version=version,
                    suite=suite,
                    accepted=accepted,
                )

    return by_service(tls, judge)


@check("ssl_pq_key_exchange_missing")
def post_quantum_missing(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        match service.answer("TLSv1.3"):
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined():
                return not_applicable(endpoint.asset, "TLS 1.3, which alone has such groups, is not accepted")
        groups = list(service.groups.names) if service.groups else []
        match service.post_quantum:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Accepted(group=group):
                return passed(endpoint.asset, group=group, groups=groups)
            case Declined(how):
                reason = f"none of {', '.join(HYBRIDS)} is accepted"
                reproduce = s_client(endpoint, f"-tls1_3 -groups {HYBRIDS[0]}")
                return failed(endpoint.asset, reason, reproduce=reproduce, answer=how, groups=groups)

    return by_service(tls, judge)
