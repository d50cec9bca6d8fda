"""Checks of the path from the certificate to a trusted root."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_hosts import by_service, s_client
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Certificate, Endpoint, Service, Tls, Trust

SHOW = "-showcerts"


@check("ssl_certificate_untrusted")
def untrusted(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        trust = service.trust
        if isinstance(trust, Unseen):
            return not_tested(endpoint.asset, trust)
        seen = _seen(service, trust)
        if trust.status == "trusted" or trust.completed_by:
            return passed(endpoint.asset, **seen)
        if trust.status == "incomplete":
            reason = f"{trust.reason}, so no path to a root can be followed"
            return not_tested(endpoint.asset, Unseen(reason, "target"))
        return failed(endpoint.asset, trust.reason, reproduce=s_client(endpoint, SHOW), **seen)

    return by_service(tls, judge)


@check("ssl_certificate_chain_incomplete")
def chain_incomplete(tls: Tls) -> Iterator[Verdict]:
    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        trust = service.trust
        if isinstance(trust, Unseen):
            return not_tested(endpoint.asset, trust)
        seen = _seen(service, trust)
        if trust.status == "trusted":
            return passed(endpoint.asset, **seen)
        if trust.status == "untrusted":
            return not_applicable(endpoint.asset, "there is no path to a trusted root that could be complete")
        reproduce = s_client(endpoint, SHOW)
        if trust.completed_by:
            reason = f"{trust.reason}; with the one at {trust.completed_by} the path is complete"
            return failed(endpoint.asset, reason, reproduce=reproduce, completed_by=trust.completed_by, **seen)
        return failed(endpoint.asset, trust.reason, reproduce=reproduce, confidence="inferred", **seen)

    return by_service(tls, judge)


def privately_issued(service: Service) -> str:
    """Why no public authority stands behind the certificate, a clause; empty where one does or may."""
    trust = service.trust
    if isinstance(trust, Unseen):
        return ""
    if trust.status == "untrusted":
        return "the certificate leads to no root of the public store"
    if trust.root and not trust.public:
        return f"the root {trust.root} is the operator's own"
    return ""


def _seen(service: Service, trust: Trust) -> dict[str, Any]:
    if isinstance(service.chain, Unseen):
        return {"store": trust.store, "chain": []}
    seen: dict[str, Any] = {"store": trust.store, "chain": [each.subject for each in service.chain]}
    if notes := _order(service.chain):
        seen["order"] = notes
    return seen


def _order(chain: tuple[Certificate, ...]) -> list[str]:
    """What of the list is not as RFC 8446 section 4.4.2 wants it; clients put up with all of it."""
    notes = []
    if len({each.sha256 for each in chain}) < len(chain):
        notes.append("a certificate is sent twice")
    if any(each.self_issued for each in chain[1:]):
        notes.append("a root is sent along, which clients have or will not take")
    if any(above.subject != below.issuer for below, above in pairwise(chain)):
        notes.append("a certificate does not certify the one before it")
    return notes
