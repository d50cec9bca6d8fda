"""Checks of certificate transparency."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_hosts import by_service, s_client
from services.scanner.engine.checks.tls_trust import privately_issued
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Endpoint, Service, Timestamp, Tls

_SHORT_LIVED = timedelta(days=180)  # up to which two logs are enough: Chrome CT Policy, "Embedded SCTs"
_ACTIVE = ("qualified", "usable", "readonly")


@check("ssl_certificate_no_sct")
def no_sct(tls: Tls) -> Iterator[Verdict]:
    """Chrome's policy, which Firefox and Safari share in all but detail, over proofs that were verified here."""

    def judge(endpoint: Endpoint, service: Service) -> Verdict:
        certificate, transparency, trust = service.certificate, service.transparency, service.trust
        for part in (certificate, transparency, trust):
            if isinstance(part, Unseen):
                return not_tested(endpoint.asset, part)
        assert not isinstance(certificate, Unseen) and not isinstance(transparency, Unseen)
        assert not isinstance(trust, Unseen)
        if private := privately_issued(service):
            return not_applicable(endpoint.asset, f"only what public authorities issue is logged: {private}")
        if not trust.root:
            return not_tested(endpoint.asset, Unseen(f"{trust.reason}, so nothing proves who issued it", "target"))
        wanted = 2 if certificate.lifetime <= _SHORT_LIVED else 3
        found = transparency.timestamps
        seen: dict[str, Any] = {
            "timestamps": [_shown(one) for one in found],
            "wanted": wanted,
            "log_list": transparency.logs,
        }
        if _enough(found, wanted):
            return passed(endpoint.asset, **seen)
        if _enough([_benefit(one) for one in found], wanted):
            reason = f"its proofs are of logs that the list of {transparency.logs} does not know"
            return not_tested(endpoint.asset, Unseen(reason, "ours"))
        valid = sum(one.status == "valid" for one in found)
        reason = f"{valid or 'no'} valid proof(s) of certificate transparency, where {wanted} are needed"
        if valid >= wanted:
            reason = f"its {valid} proofs of certificate transparency are not of enough logs and operators"
        reproduce = s_client(endpoint) + " | openssl x509 -noout -ext ct_precert_scts"
        return failed(endpoint.asset, reason, reproduce=reproduce, **seen)

    return by_service(tls, judge)


def _enough(found: Sequence[Timestamp], wanted: int) -> bool:
    """In the certificate, or beside it (RFC 6962 section 3.3 allows the handshake and the OCSP response alike)."""
    earliest = min((one.issued_at for one in found), default=None)
    valid = [one for one in found if one.status == "valid"]
    embedded = [
        one
        for one in valid
        if one.via == "certificate" and (not one.retired_at or (earliest is not None and earliest < one.retired_at))
    ]
    beside = [one for one in valid if one.via != "certificate" and one.log_state in _ACTIVE]
    return (
        len({one.log_id for one in embedded}) >= wanted
        and len({one.operator for one in embedded}) >= 2
        and any(one.log_state in _ACTIVE for one in embedded)
    ) or (len({one.log_id for one in beside}) >= 2 and len({one.operator for one in beside}) >= 2)


def _benefit(one: Timestamp) -> Timestamp:
    """As if an unknown log were in good standing, with an operator of its own."""
    if one.status != "unknown log":
        return one
    return Timestamp(one.log_id, one.via, one.issued_at, "valid", operator=one.log_id, log_state="usable")


def _shown(one: Timestamp) -> dict[str, Any]:
    return {
        "log": one.log or one.log_id,
        "operator": one.operator or None,
        "via": one.via,
        "at": one.issued_at.isoformat().replace("+00:00", "Z"),
        "status": one.status,
    }
