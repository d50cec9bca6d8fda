"""Checks of the protocol versions that are accepted, and of renegotiation."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_attacks import of_versions
from services.scanner.engine.checks.tls_hosts import by_service, nmap, s_client
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Declined, Endpoint, Service, Tls, Version

_OPTIONS: dict[Version, str] = {"TLSv1.0": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2"}


def _outdated(tls: Tls, versions: Sequence[Version]) -> Iterator[Verdict]:
    """Fails where one of `versions` is accepted."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        answers = {version: service.answer(version) for version in versions}
        for version, answer in answers.items():
            if isinstance(answer, Accepted):
                seen: dict[str, Any] = {"version": version, "suite": answer.suite}
                seen |= {"suites": list(service.suites_of(version)), "attacks": of_versions(service, versions)}
                return failed(endpoint.asset, f"{version} is accepted", reproduce=_handshake(endpoint, version), **seen)
        unseen = [answer for answer in answers.values() if isinstance(answer, Unseen)]
        if unseen:
            return not_tested(endpoint.asset, unseen[0])
        return passed(endpoint.asset, accepted=_accepted(service))

    return by_service(tls, judge)


@check("ssl_sslv2_or_sslv3_enabled")
def sslv2_or_sslv3(tls: Tls) -> Iterator[Verdict]:
    return _outdated(tls, ("SSLv2", "SSLv3"))


@check("ssl_tls10_enabled")
def tls10(tls: Tls) -> Iterator[Verdict]:
    return _outdated(tls, ("TLSv1.0",))


@check("ssl_tls11_enabled")
def tls11(tls: Tls) -> Iterator[Verdict]:
    return _outdated(tls, ("TLSv1.1",))


@check("ssl_tls12_missing")
def tls12_missing(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        current = [service.answer("TLSv1.2"), service.answer("TLSv1.3")]
        if any(isinstance(answer, Accepted) for answer in current):
            return passed(endpoint.asset, accepted=_accepted(service))
        unseen = [answer for answer in current if isinstance(answer, Unseen)]
        if unseen:
            return not_tested(endpoint.asset, unseen[0])
        reason = "neither TLS 1.2 nor TLS 1.3 is accepted"
        return failed(endpoint.asset, reason, reproduce=s_client(endpoint, "-tls1_2"), accepted=_accepted(service))

    return by_service(tls, judge)


@check("ssl_tls13_missing")
def tls13_missing(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        answer = service.answer("TLSv1.3")
        if isinstance(answer, Unseen):
            return not_tested(endpoint.asset, answer)
        if isinstance(answer, Accepted):
            return passed(endpoint.asset, accepted=_accepted(service))
        match service.answer("TLSv1.2"):
            case Unseen() as unseen:
                return not_tested(endpoint.asset, unseen)
            case Declined():
                return not_applicable(endpoint.asset, "TLS 1.2 is missing as well")
        reproduce = s_client(endpoint, "-tls1_3")
        return failed(endpoint.asset, "TLS 1.3 is not accepted", reproduce=reproduce, accepted=_accepted(service))

    return by_service(tls, judge)


@check("ssl_insecure_renegotiation")
def insecure_renegotiation(tls: Tls) -> Iterator[Verdict]:
    """Of TLS up to 1.2: 1.3 has no renegotiation, and what is older is a failure of its own."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        older = [answer for answer in service.accepted if answer.version in _OPTIONS]
        if not older:
            return not_applicable(endpoint.asset, "no version that has secure renegotiation is accepted")
        without = [answer.version for answer in older if not answer.secure_renegotiation]
        if not without:
            return passed(endpoint.asset, renegotiation_info=[answer.version for answer in older])
        reason = f"the ServerHello of {without[-1]} has no renegotiation_info"
        reproduce = _handshake(endpoint, without[-1]) + " | grep 'Secure Renegotiation'"
        return failed(endpoint.asset, reason, reproduce=reproduce, versions=without)

    return by_service(tls, judge)


def _handshake(endpoint: Endpoint, version: Version) -> str:
    if version in _OPTIONS:
        return s_client(endpoint, f"{_OPTIONS[version]} -cipher ALL:@SECLEVEL=0")
    return nmap(endpoint, "sslv2,ssl-enum-ciphers")


def _accepted(service: Service) -> dict[str, str]:
    return {answer.version: answer.suite for answer in service.accepted}
