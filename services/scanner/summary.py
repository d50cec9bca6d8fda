"""What a finished scan tells the fleet: counters, findings by name, and the facts that monitoring compares."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import Ports
from services.scanner.engine.evidence.tls import Service, Tls
from services.scanner.engine.observations import Observations
from services.scanner.engine.scan import Scanned
from services.scanner.repository import Outcome
from shared.contracts.events import CertificateFact, FindingRef, ScanFacts
from shared.contracts.report import ModuleState, Report

MAX_FINDINGS = 500
MAX_NAMES = 100  # of each kind of fact

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """What leaves the scanner with `scan.completed`; `evidence` alone stays."""

    references: tuple[FindingRef, ...]
    facts: ScanFacts
    unavailable: tuple[str, ...]  # checks that a source of ours, or an error of ours, left out
    evidence: Mapping[str, Any]


def outcome(report: Report) -> Outcome:
    """What the report adds to the scan's row."""
    states: dict[str, ModuleState] = {"completed": "done", "not_tested": "not_tested"}
    return Outcome(
        progress={name: states[module.status] for name, module in report.modules.items()},
        score=report.score,
        grade=report.grade,
        grade_reason=report.grade_reason,
        risk_level=report.risk_level,
        duration_ms=report.scan_duration_ms,
        issues=dict(Counter(issue.severity for issue in report.issues)),
    )


def findings(scanned: Scanned) -> Findings:
    report = scanned.report
    return Findings(
        references=tuple(
            FindingRef(
                id=issue.id,
                module=issue.module,
                severity=issue.severity,
                asset=issue.asset[:300],
                title=issue.finding[:300],
                fingerprint=issue.fingerprint,
            )
            for issue in report.issues[:MAX_FINDINGS]
        ),
        facts=facts(scanned.observations),
        unavailable=_unavailable(report),
        evidence=scanned.observations.dump(),
    )


def _unavailable(report: Report) -> tuple[str, ...]:
    """But for those that weigh nothing, and so make no two scores differ."""
    return tuple(
        sorted(
            {
                entry.id
                for module in report.modules.values()
                for entry in module.not_tested
                if entry.fault != "target" and module.detail["weights"][entry.id]
            }
        )
    )


def facts(observations: Observations) -> ScanFacts:
    """Each with whether it was tested: what was not seen is not gone."""
    addresses = _seen(observations, Addresses)
    tls = _seen(observations, Tls)
    ports = _seen(observations, Ports)
    return ScanFacts(
        certificates=_certificates(tls) if tls else (),
        certificates_tested=tls is not None and not any(_withheld(endpoint.service) for endpoint in tls.endpoints),
        nameservers=_names(addresses.nameservers) if addresses else (),
        nameservers_tested=addresses is not None and not isinstance(addresses.nameservers, Unseen),
        mx=_names(addresses.mx) if addresses else (),
        mx_tested=addresses is not None and not isinstance(addresses.mx, Unseen),
        open_ports=_open_ports(ports) if ports else (),
        open_ports_tested=ports is not None and not any(_withheld(one.unseen) for one in ports.addresses),
    )


def _withheld(evidence: object) -> bool:
    """An address that we have no way to (mostly IPv6) does not make the others unseen."""
    return isinstance(evidence, Unseen) and evidence.fault != "ours"


def _seen(observations: Observations, kind: type[T]) -> T | None:
    evidence = observations.evidence.get(kind)
    return evidence if isinstance(evidence, kind) else None


def _names(hosts: tuple[Host, ...] | Unseen) -> tuple[str, ...]:
    return () if isinstance(hosts, Unseen) else tuple(sorted(host.name for host in hosts))[:MAX_NAMES]


def _certificates(tls: Tls) -> tuple[CertificateFact, ...]:
    """One a host and port: where its addresses differ, the certificate that ends first."""
    first: dict[tuple[str, int], CertificateFact] = {}
    for endpoint in tls.endpoints:
        if not isinstance(endpoint.service, Service) or isinstance(endpoint.service.certificate, Unseen):
            continue
        certificate = endpoint.service.certificate
        fact = CertificateFact(
            host=endpoint.host,
            port=endpoint.port,
            not_after=certificate.not_after,
            issuer=certificate.issuer[:300],
            sha256=certificate.sha256,
        )
        known = first.get((fact.host, fact.port))
        if known is None or fact.not_after < known.not_after:
            first[fact.host, fact.port] = fact
    return tuple(first[key] for key in sorted(first))[:MAX_NAMES]


def _open_ports(ports: Ports) -> tuple[str, ...]:
    found = {f"{one.host}:{port.port}" for one in ports.addresses for port in one.open}
    return tuple(sorted(found))[:MAX_NAMES]
