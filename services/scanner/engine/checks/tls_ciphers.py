"""Checks of the cipher suites that are accepted, and of the key exchange."""

from collections.abc import Callable, Iterator
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_attacks import accepted as all_accepted
from services.scanner.engine.checks.tls_attacks import breakable, named, of_small_blocks, of_suites, unprotected
from services.scanner.engine.checks.tls_hosts import by_service, nmap, s_client
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Answer, Declined, DhGroup, Endpoint, Service, Tls

_MINIMUM_DH_BITS = 2048
_WITHIN_REACH = 1024  # bits whose discrete logarithm those with means are held to compute (CVE-2015-4000)
_FIELD = {
    "null_or_anonymous": "that encrypt nothing or name nobody",
    "export_rc4_des": "with export, RC4 or DES encryption",
    "triple_des": "with a 64-bit block cipher",
}

_KINDS: dict[str, Callable[[str], bool]] = {
    "null_or_anonymous": unprotected,
    "export_rc4_des": breakable,
    "triple_des": of_small_blocks,
}


def _weak(tls: Tls, group: str) -> Iterator[Verdict]:
    """Fails where a hello that offers this group of suites alone is taken up."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        answer: Answer = getattr(service, group)
        match answer:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined(how):
                return passed(endpoint.asset, answer=how)
            case Accepted(version, suite):
                found = (name for each in service.suites if each.version != "SSLv2" for name in each.names)
                seen = list(dict.fromkeys((suite, *filter(_KINDS[group], found))))
                others = f" and {len(seen) - 1} more" if len(seen) > 1 else ""
                reason = f"{suite}{others} is accepted, of the suites {_FIELD[group]}"
                attacks = of_suites(seen)
                return failed(
                    endpoint.asset,
                    reason,
                    reproduce=nmap(endpoint),
                    version=version,
                    suite=suite,
                    suites=seen,
                    attacks=attacks,
                )

    return by_service(tls, judge)


@check("ssl_null_or_anonymous_cipher")
def null_or_anonymous(tls: Tls) -> Iterator[Verdict]:
    return _weak(tls, "null_or_anonymous")


@check("ssl_export_rc4_des_cipher")
def export_rc4_des(tls: Tls) -> Iterator[Verdict]:
    return _weak(tls, "export_rc4_des")


@check("ssl_3des_cipher")
def triple_des(tls: Tls) -> Iterator[Verdict]:
    return _weak(tls, "triple_des")


@check("ssl_no_forward_secrecy")
def no_forward_secrecy(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        match service.forward_secret:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Accepted(version, suite):
                order = service.features.preference
                return passed(endpoint.asset, version=version, suite=suite, preference=order, **all_accepted(service))
            case Declined(how):
                chosen = {answer.version: answer.suite for answer in service.accepted}
                reproduce = s_client(endpoint, "-no_tls1_3 -cipher ECDHE:DHE")
                reason = "no suite with an ephemeral key exchange is accepted"
                return failed(endpoint.asset, reason, reproduce=reproduce, answer=how, accepted=chosen)

    return by_service(tls, judge)


@check("ssl_no_aead_cipher")
def no_aead(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        tls12 = service.answer("TLSv1.2")
        if isinstance(tls12, Declined):
            return not_applicable(endpoint.asset, "TLS 1.2 is not accepted")
        if isinstance(tls12, Unseen):
            return not_tested(endpoint.asset, tls12)
        match service.authenticated_encryption:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Accepted(version, suite):
                return passed(endpoint.asset, version=version, suite=suite)
            case Declined(how):
                reproduce = s_client(endpoint, "-tls1_2 -cipher AESGCM:AESCCM:CHACHA20")
                reason = "TLS 1.2 is accepted with CBC suites only"
                seen: dict[str, Any] = {"suite": tls12.suite, "suites": list(service.suites_of("TLSv1.2"))}
                attacks = named("LUCKY13") if "_CBC_" in tls12.suite else []
                return failed(endpoint.asset, reason, reproduce=reproduce, answer=how, attacks=attacks, **seen)

    return by_service(tls, judge)


@check("ssl_weak_dh_parameters")
def weak_dh(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        match service.finite_field_dh:
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined():
                return not_applicable(endpoint.asset, "no suite with finite-field Diffie-Hellman is accepted")
            case Accepted(suite=suite, dh=DhGroup() as group):
                return _judged_group(endpoint, suite, group)
            case Accepted():
                return not_tested(endpoint.asset, Unseen("the server did not send its Diffie-Hellman group", "target"))

    return by_service(tls, judge)


def _judged_group(endpoint: Endpoint, suite: str, group: DhGroup) -> Verdict:
    seen: dict[str, Any] = {"suite": suite, "bits": group.bits, "known_prime": group.known_prime}
    if group.bits >= _MINIMUM_DH_BITS:
        return passed(endpoint.asset, **seen)
    known = f", the known prime of {group.known_prime}" if group.known_prime else ""
    reason = f"the Diffie-Hellman group has {group.bits} bit{known}"
    reproduce = s_client(endpoint, "-no_tls1_3 -cipher DHE:@SECLEVEL=0") + " | grep 'Temp Key'"
    attacks = named("Logjam") if group.bits <= _WITHIN_REACH else []
    return failed(endpoint.asset, reason, reproduce=reproduce, attacks=attacks, **seen)
