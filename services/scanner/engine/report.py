"""A scan's observations made into the report that clients read."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from services.scanner.engine import catalog as catalogs
from services.scanner.engine.check import Verdict
from services.scanner.engine.compliance import assess
from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Subdomains
from services.scanner.engine.judging import Judged, judge
from services.scanner.engine.observations import Circumstances, Observations
from services.scanner.engine.recommendations import recommend
from services.scanner.engine.scoring import SCORING_VERSION, WEIGHTS, ModuleScore, score
from shared.contracts.report import (
    FrameworkId,
    Issue,
    Module,
    ModuleResult,
    NotTested,
    Report,
    ScanScope,
    ScopeAsset,
    Severity,
)

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def assemble(observations: Observations) -> Report:
    """Judge, score and relate to controls. Pure: the same observations give the same report."""
    catalog = catalogs.load()
    judged = judge(observations, catalog)
    circumstances = observations.circumstances
    by_module: dict[Module, list[Judged]] = {module: [] for module in circumstances.modules}
    for one in judged:
        if one.row.module:
            by_module[one.row.module].append(one)
    results = {module: {one.row.id: one.result for one in ones} for module, ones in by_module.items()}
    weights = {module: catalog.modules[module].weight for module in by_module}
    scored = score(results, weights)
    modules = {
        module: _module(module, ones, scored.modules[module], weights[module]) for module, ones in by_module.items()
    }
    issues = _by_severity(issue for module in modules.values() for issue in module.issues)
    counts = Counter(issue.severity for issue in issues)
    return Report(
        job_id=None,
        domain=circumstances.domain,
        score=scored.score,
        grade=scored.grade,
        grade_reason=scored.grade_reason,
        risk_level=scored.risk_level,
        score_max=scored.score_max,
        coverage=scored.coverage,
        scanned_at=circumstances.completed_at,
        scan_duration_ms=circumstances.duration_ms,
        modules=modules,
        issues=issues,
        total_issues=len(issues),
        issues_count=len(issues),
        critical_issues=counts["critical"],
        high_issues=counts["high"],
        medium_issues=counts["medium"],
        low_issues=counts["low"],
        recommendations=recommend(by_module, results, weights),
        compliance=assess(judged, catalog),
        scope=_scope(circumstances, observations.evidence.get(Addresses), observations.evidence.get(Subdomains)),
        scoring_version=SCORING_VERSION,
        catalog_version=catalog.version,
        engine_version=circumstances.engine_version,
    )


def _module(module: Module, judged: list[Judged], scored: ModuleScore, weight: int) -> ModuleResult:
    return ModuleResult(
        score=scored.score,
        grade=scored.grade,
        weight=weight,
        status="completed" if scored.looked_at else "not_tested",
        issues=_by_severity(_issue(module, one, verdict) for one in judged for verdict in one.failures),
        not_tested=tuple(missing for one in judged for missing in _not_tested(one)),
        detail={
            "checks": {one.row.id: one.status for one in judged},
            "weights": {one.row.id: WEIGHTS[one.row.severity] for one in judged},
            "severities": {one.row.id: one.row.severity for one in judged},
            "outcomes": {one.row.id: one.result.outcomes for one in judged},
        },
    )


def _issue(module: Module, judged: Judged, verdict: Verdict) -> Issue:
    row = judged.row
    controls: dict[FrameworkId, tuple[str, ...]] = {}
    for ref in row.controls:
        controls[ref.framework] = (*controls.get(ref.framework, ()), ref.id)
    return Issue(
        severity=row.severity,
        finding=row.title,
        remediation=row.remediation,
        id=row.id,
        module=module,
        asset=verdict.asset,
        evidence={"observed": verdict.reason, **verdict.evidence},
        reproduce=verdict.reproduce,
        references=row.references,
        cwe=row.cwe,
        confidence=verdict.confidence,
        controls=controls,
        fingerprint=_fingerprint(row.id, verdict.asset, verdict.subject),
    )


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _not_tested(judged: Judged) -> Iterable[NotTested]:
    """One entry a check and reason: the assets differ, the reason seldom does."""
    missing = {
        (verdict.reason, verdict.fault): NotTested(
            id=judged.row.id, reason=verdict.reason, fault=verdict.fault or "ours", status=verdict.status
        )
        for verdict in judged.verdicts
        if verdict.status in ("not_tested", "error")
    }
    return missing.values()


def _by_severity(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    ranked = sorted(issues, key=lambda issue: (_SEVERITIES.index(issue.severity), issue.module, issue.id, issue.asset))
    return tuple(ranked)


def _scope(
    circumstances: Circumstances, addresses: Addresses | Unseen | None, subdomains: Subdomains | Unseen | None
) -> ScanScope:
    ports: dict[str, list[int]] = {}
    for address, port in circumstances.contacted:
        ports.setdefault(address, []).append(port)
    known = tuple(_assets(addresses, ports)) if isinstance(addresses, Addresses) else ()
    below = _names(subdomains, ports) if isinstance(subdomains, Subdomains) else ()
    hosts = {asset.host for asset in known}
    return ScanScope(
        assets=(*known, *(asset for asset in below if asset.host not in hosts)),
        vantage=circumstances.vantage,
        started_at=circumstances.started_at,
        completed_at=circumstances.completed_at,
        profile=circumstances.profile,
        intrusive=circumstances.intrusive,
        modules=circumstances.modules,
        notes=circumstances.notes,
    )


def _assets(addresses: Addresses, ports: Mapping[str, list[int]]) -> Iterable[ScopeAsset]:
    roles: tuple[tuple[Literal["web", "mail", "nameserver"], Iterable[Host]], ...] = (
        ("web", (addresses.domain, addresses.www)),
        ("mail", () if isinstance(addresses.mx, Unseen) else addresses.mx),
        ("nameserver", () if isinstance(addresses.nameservers, Unseen) else addresses.nameservers),
    )
    for role, hosts in roles:
        for host in hosts:
            if isinstance(host.addresses, Unseen) or not host.addresses:
                yield ScopeAsset(host=host.name, address=None, role=role)
            else:
                for address in host.addresses:
                    yield ScopeAsset(host=host.name, address=address, ports=tuple(ports.get(address, ())), role=role)


def _names(subdomains: Subdomains, ports: Mapping[str, list[int]]) -> Iterable[ScopeAsset]:
    """The names found below the domain, whose records alone were looked at unless ports are named."""
    for found in subdomains.found[1:]:
        address = found.addresses[0] if found.addresses else None
        tried = tuple(ports.get(address, ())) if address else ()
        yield ScopeAsset(host=found.name, address=address, ports=tried, role="subdomain")
