"""Realistic reports by the number of findings, for whatever takes a report."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts.report import (
    ControlCheck,
    ControlResult,
    ControlTotals,
    FrameworkId,
    FrameworkResult,
    Grade,
    Issue,
    Module,
    ModuleResult,
    NotTested,
    Report,
    RiskLevel,
    ScanScope,
    ScopeAsset,
    Severity,
)

DISCLAIMER = "These are technical observations. This is not an audit, and no statement that a requirement is met."
SCANNED_AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

# module, check id, severity, title, evidence, remediation, command, references, CWE
_Row = tuple[Module, str, Severity, str, dict[str, Any], str, str, tuple[str, ...], str | None]
_ROWS: tuple[_Row, ...] = (
    (
        Module.SSL_TLS, "ssl_certificate_expired", "high", "The certificate has expired",
        {"subject": "CN=www.example.com", "issuer": "CN=Example Issuing CA 3", "not_after": "2026-10-30T23:59:59Z"},
        "Renew the certificate and let an ACME client renew it from now on, at two thirds of its lifetime.",
        "openssl s_client -connect {asset} -servername {domain} </dev/null | openssl x509 -noout -dates",
        ("RFC 5280 section 4.1.2.5", "https://www.rfc-editor.org/rfc/rfc9525"), "CWE-324",
    ),
    (
        Module.DNS_EMAIL, "dmarc_policy_none", "medium", "DMARC only watches: mail that fails is still delivered",
        {"name": "_dmarc.{domain}", "record": "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"},
        "Read the aggregate reports, align the remaining senders, then publish p=quarantine and later p=reject.",
        "dig +short TXT _dmarc.{domain}",
        ("RFC 9989",), None,
    ),
    (
        Module.HTTP_HEADERS, "hsts_missing", "medium", "No Strict-Transport-Security on the HTTPS site",
        {"url": "https://{domain}/", "status": 200, "header": None, "headers_seen": ["content-type", "date", "server"]},
        "Send Strict-Transport-Security: max-age=31536000; includeSubDomains once every subdomain answers by HTTPS.",
        "curl -sI https://{domain}/ | grep -i strict-transport-security",
        ("RFC 6797", "https://infosec.mozilla.org/guidelines/web_security"), "CWE-319",
    ),
    (
        Module.CSP, "csp_missing", "medium", "No Content-Security-Policy",
        {"url": "https://{domain}/", "header": None},
        "Begin with a report-only policy, remove inline scripts, then enforce default-src 'self'.",
        "curl -sI https://{domain}/ | grep -i content-security-policy",
        ("https://www.w3.org/TR/CSP3/",), "CWE-693",
    ),
    (
        Module.OPEN_PORTS, "port_redis_open", "critical", "Redis is reachable from the Internet",
        {"address": "203.0.113.20", "port": 6379, "banner": "-NOAUTH Authentication required.", "protocol": "redis"},
        "Bind Redis to a private address and let the firewall refuse port 6379 from outside.",
        "nc -vz 203.0.113.20 6379",
        ("https://redis.io/docs/latest/operate/oss_and_stack/management/security/",), "CWE-668",
    ),
    (
        Module.COOKIES, "cookie_secure_missing", "medium", "A session cookie is set without Secure",
        {"name": "session", "attributes": "Path=/; HttpOnly", "url": "https://{domain}/login"},
        "Set the cookie with Secure; HttpOnly; SameSite=Lax, and name it __Host-session.",
        "curl -sI https://{domain}/login | grep -i set-cookie",
        ("RFC 6265 section 4.1.2.5",), "CWE-614",
    ),
    (
        Module.DNS, "caa_missing", "low", "No CAA record limits who may issue certificates",
        {"name": "{domain}", "answer": [], "climbed_to": "com"},
        "Publish a CAA record that names your certificate authority, and an iodef contact.",
        "dig +short CAA {domain}",
        ("RFC 8659",), None,
    ),
    (
        Module.EXPOSURE, "security_txt_missing", "info", "No security.txt tells finders where to report",
        {"tried": ["/.well-known/security.txt", "/security.txt"], "status": 404},
        "Publish /.well-known/security.txt with Contact and Expires.",
        "curl -si https://{domain}/.well-known/security.txt",
        ("RFC 9116",), None,
    ),
    (
        Module.HTTP_BEHAVIOUR, "https_redirect_missing", "high", "Plain HTTP is served without a redirect to HTTPS",
        {"url": "http://{domain}/", "status": 200, "location": None, "body_bytes": 18211},
        "Answer every plain request with 301 to the same path on https://.",
        "curl -sI http://{domain}/",
        ("RFC 9110 section 15.4.2",), "CWE-319",
    ),
)  # fmt: skip

_WEIGHTS = dict.fromkeys(Module, 4.0) | {
    Module.SSL_TLS: 22.0, Module.DNS: 8.0, Module.DNS_EMAIL: 15.0, Module.HTTP_HEADERS: 12.0, Module.CSP: 8.0,
    Module.COOKIES: 5.0, Module.HTTP_BEHAVIOUR: 8.0, Module.OPEN_PORTS: 12.0, Module.EXPOSURE: 10.0,
}  # fmt: skip

_FRAMEWORKS: tuple[tuple[FrameworkId, str, str, int, tuple[tuple[str, str], ...]], ...] = (
    ("soc2", "Trust Services Criteria (SOC 2)", "2017, revised points of focus 2022", 61, (
        ("CC6.1", "Logical access protection of information assets"), ("CC6.6", "Threats from outside the boundary"),
        ("CC6.7", "Protecting data while transmitted"), ("CC6.8", "Preventing malicious software"),
        ("CC7.1", "Detecting configuration changes"), ("CC7.2", "Monitoring for anomalies"))),
    ("pci_dss", "PCI Data Security Standard", "4.0.1", 250, (
        ("1.2.6", "Safeguards where insecure services are used"), ("2.2.4", "Only necessary services enabled"),
        ("2.2.7", "Administration encrypted"), ("4.2.1", "Strong cryptography over public networks"),
        ("6.2.4", "Techniques against common attacks"), ("11.3.2", "External scans by an approved vendor"))),
    ("hipaa", "HIPAA Security Rule", "45 CFR 164 Subpart C", 54, (
        ("164.308(a)(1)(ii)(A)", "Risk analysis"), ("164.312(a)(1)", "Access control"),
        ("164.312(d)", "Person or entity authentication"), ("164.312(e)(1)", "Transmission security"),
        ("164.312(e)(2)(ii)", "Encryption in transit"))),
    ("nist_csf", "NIST Cybersecurity Framework", "2.0", 106, (
        ("ID.RA-01", "Vulnerabilities are identified"), ("PR.AA-05", "Access permissions are managed"),
        ("PR.DS-02", "Data in transit is protected"), ("PR.PS-01", "Configuration management"),
        ("DE.CM-01", "Networks are monitored"))),
    ("iso27001", "ISO/IEC 27001 Annex A", "2022", 93, (
        ("A.5.14", "Information transfer"), ("A.8.9", "Configuration management"), ("A.8.20", "Networks security"),
        ("A.8.24", "Use of cryptography"), ("A.8.26", "Application security requirements"))),
    ("cis_controls", "CIS Critical Security Controls", "8.1", 153, (
        ("3.10", "Encrypt sensitive data in transit"), ("4.4", "Firewall on servers"),
        ("4.8", "Unnecessary services off"),
        ("9.5", "DMARC"), ("12.3", "Network infrastructure managed securely"))),
)  # fmt: skip


def make_report(
    findings: int = 5,
    *,
    domain: str = "example.com",
    job_id: str | None = "job_aaaaaaaaaaaaaaaaaaaaaaaaaa",
    hostile: str | None = None,
    scanned_at: datetime = SCANNED_AT,
) -> Report:
    """A report with `findings` findings over all modules; `hostile` stands wherever a target's words can."""
    issues = tuple(_issue(number, domain, hostile) for number in range(findings))
    penalty = sum({"critical": 25, "high": 12, "medium": 5, "low": 2, "info": 0}[issue.severity] for issue in issues)
    score = max(0, 100 - penalty)
    grade, risk = _grade(score)
    return Report(
        job_id=job_id,
        domain=domain,
        score=score,
        grade=grade,
        risk_level=risk,
        score_max=min(100, score + 4),
        coverage=0.957,
        scanned_at=scanned_at,
        scan_duration_ms=4312,
        modules={module: _module(module, issues) for module in Module},
        issues=issues,
        total_issues=len(issues),
        issues_count=len(issues),
        critical_issues=_count(issues, "critical"),
        high_issues=_count(issues, "high"),
        medium_issues=_count(issues, "medium"),
        low_issues=_count(issues, "low"),
        recommendations=tuple(dict.fromkeys(issue.remediation for issue in issues))[:5],
        compliance={row[0]: _framework(row, bool(issues)) for row in _FRAMEWORKS},
        scope=ScanScope(
            assets=(
                ScopeAsset(host=domain, address="203.0.113.20", ports=(80, 443), role="web"),
                ScopeAsset(host=f"www.{domain}", address="2001:db8::20", ports=(80, 443), role="web"),
                ScopeAsset(host=f"mx1.{domain}", address="203.0.113.25", ports=(25,), role="mail"),
                ScopeAsset(host=f"ns1.{domain}", address=None, role="nameserver"),
            ),
            vantage="198.51.100.7",
            started_at=scanned_at - timedelta(seconds=4.3),
            completed_at=scanned_at,
            modules=tuple(Module),
            notes=("www has more than 4 addresses: the first 4 were looked at",),
        ),
        scoring_version="1",
        catalog_version="2026.11",
        engine_version="0.1.0",
    )


def _issue(number: int, domain: str, hostile: str | None) -> Issue:
    module, check, severity, title, evidence, remediation, command, references, cwe = _ROWS[number % len(_ROWS)]
    asset = f"{('', 'www.', 'shop.', 'api.', 'mail.')[number // len(_ROWS) % 5]}{domain}:443"
    filled = {key: value.format(domain=domain) if isinstance(value, str) else value for key, value in evidence.items()}
    if hostile is not None:
        filled |= {"banner": hostile, "headers": {hostile: [hostile]}, hostile: hostile}
    return Issue(
        severity=severity,
        finding=title,
        remediation=remediation,
        id=check,
        module=module,
        asset=asset if hostile is None else f"{asset} {hostile}",
        evidence=filled,
        reproduce=command.format(domain=domain, asset=asset),
        references=references,
        cwe=cwe,
        controls={"soc2": ("CC6.7",), "pci_dss": ("4.2.1", "2.2.4"), "nist_csf": ("PR.DS-02",)},
        fingerprint=f"{check}|{asset}|{number}",
    )


def _module(module: Module, issues: Iterable[Issue]) -> ModuleResult:
    own = tuple(issue for issue in issues if issue.module is module)
    if module is Module.COOKIES and not own:
        reason = NotTested(
            id="cookie_secure_missing", reason="The site answered with a reset on each of 3 attempts", fault="target"
        )
        return ModuleResult(score=None, grade=None, weight=_WEIGHTS[module], status="not_tested", not_tested=(reason,))
    score = max(0, 100 - 14 * len(own))
    untested = (
        (NotTested(id="exposed_backup_files", reason="Time limit reached", fault="ours"),)
        if module is Module.EXPOSURE
        else ()
    )
    checks = {issue.id: "fail" for issue in own} | {f"{module}_check_{number}": "pass" for number in range(4)}
    return ModuleResult(
        score=score,
        grade=_grade(score)[0],
        weight=_WEIGHTS[module],
        status="completed",
        issues=own,
        not_tested=untested,
        detail={"checks": checks},
    )


def _framework(row: tuple[FrameworkId, str, str, int, tuple[tuple[str, str], ...]], any_gap: bool) -> FrameworkResult:
    name, title, version, total, controls = row
    results = [_control(place, control, heading, any_gap) for place, (control, heading) in enumerate(controls)]
    count = {
        status: sum(result.status == status for result in results)
        for status in ("gap_found", "attention", "supporting_evidence")
    }
    return FrameworkResult(
        title=title,
        version=version,
        totals=ControlTotals(
            controls=total,
            observable=len(results),
            assessed=sum(count.values()),
            gap=count["gap_found"],
            attention=count["attention"],
            supporting=count["supporting_evidence"],
        ),
        controls=tuple(results),
        disclaimer=f"Of {name} alone: whoever assesses you decides. {DISCLAIMER}",
    )


def _control(place: int, control: str, title: str, any_gap: bool) -> ControlResult:
    if control == "11.3.2":
        failures = ("port_redis_open", "ssl_certificate_expired") if any_gap else ()
        return ControlResult(
            id=control,
            title=title,
            status="readiness_preview",
            reason="Only an approved vendor can meet this",
            expected_failures=failures,
        )
    if place % 3 == 2:
        return ControlResult(
            id=control, title=title, status="not_assessed", reason="No check of this scan speaks to it"
        )
    if not any_gap or place % 3 == 1:
        check = ControlCheck(id="tls_1_3_offered", verdict="pass", strength="partial")
        return ControlResult(
            id=control, title=title, status="supporting_evidence", reason="1 check passed", checks=(check,)
        )
    check = ControlCheck(id="hsts_missing", verdict="fail", strength="partial")
    status = "gap_found" if place == 0 else "attention"
    return ControlResult(id=control, title=title, status=status, reason="hsts_missing failed", checks=(check,))


def _count(issues: Iterable[Issue], severity: Severity) -> int:
    return sum(issue.severity == severity for issue in issues)


def _grade(score: int) -> tuple[Grade, RiskLevel]:
    bars: tuple[tuple[int, Grade, RiskLevel], ...] = (
        (90, "A", "low"),
        (75, "B", "low-medium"),
        (55, "C", "medium"),
        (35, "D", "high"),
    )
    return next(((grade, risk) for bar, grade, risk in bars if score >= bar), ("F", "critical"))
