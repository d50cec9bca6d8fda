"""What the database itself holds, in the words of the vendor's SDK."""

from collections import Counter
from datetime import datetime
from typing import Any

from shared.contracts.base import iso
from tests.e2e.conftest import Account, Stage

Held = dict[str, Any]

NEW = {"status": "queued", "started_at": None, "completed_at": None, "result": None}  # a job when it is accepted
UNSEEN = {"last_score": None, "last_grade": None, "last_scanned_at": None}  # a domain before its first scan
COUNTED = ("critical", "high", "medium", "low")


class Truth:
    """Everything of one account, and the free scans, which are nobody's."""

    def __init__(self, stage: Stage, account: Account) -> None:
        self._stage = stage
        (found,) = stage.rows("select account_id from auth.users where email = $1", account.email)
        self.account_id = found["account_id"]

    # -- scans -------------------------------------------------------------------------------------------------------

    def job(self, job_id: Any) -> Held:
        (scan,) = self._stage.rows("select * from scanner.scan where id = $1", job_id)
        assert scan["account_id"] == self.account_id
        return {
            "job_id": job_id,
            "domain": scan["domain"],
            "status": scan["status"],
            "source": scan["source"],
            "queued_at": iso(scan["queued_at"]),
            "started_at": _when(scan["started_at"]),
            "completed_at": _when(scan["completed_at"]),
            "failure_reason": scan["failure_reason"],
            "requested_modules": scan["modules"],
            "result": _result(scan) if scan["status"] == "completed" else None,
        }

    def report(self, job_id: Any) -> Held:
        body = self._body(job_id)
        names = (
            "domain", "score", "grade", "risk_level", "scanned_at", "scan_duration_ms", "total_issues",
            "critical_issues", "high_issues", "medium_issues", "low_issues", "recommendations", "compliance",
        )  # fmt: skip
        return {name: body[name] for name in names} | {
            "job_id": job_id,
            "raw_results": {},
            "issues": [_issue(issue) for issue in body["issues"]],
            "modules": {
                name: {
                    "score": module["score"],
                    "grade": module["grade"],
                    "weight": module["weight"],
                    "issues": [_issue(issue) for issue in module["issues"]],
                    "detail": module["detail"],
                }
                for name, module in body["modules"].items()
            },
        }

    def history(self) -> list[Held]:
        rows = self._stage.rows(
            "select * from scanner.scan where account_id = $1 order by queued_at desc, id desc", self.account_id
        )
        return [
            {
                "job_id": scan["id"],
                "domain": scan["domain"],
                "score": scan["score"],
                "grade": scan["grade"],
                "status": scan["status"],
                "source": scan["source"],
                "scanned_at": str(_when(scan["completed_at"])),
                "scan_duration_ms": scan["duration_ms"],
                "total_issues": None if scan["issues"] is None else sum(scan["issues"].values()),
                "critical_issues": None if scan["issues"] is None else scan["issues"].get("critical", 0),
                "high_issues": None if scan["issues"] is None else scan["issues"].get("high", 0),
                "legacy_scan_id": None,
                "risk_level": scan["risk_level"],
            }
            for scan in rows
        ]

    def free(self, domain: str) -> Held:
        """The newest free scan of `domain`, without its call to action."""
        scan = self._newest(0, "free", domain)
        body = self._body(scan["id"])
        names = ("score", "grade", "risk_level", "scanned_at", "total_issues", "critical_issues", "high_issues")
        return {name: body[name] for name in names} | {
            "domain": domain,
            "top_issues": [_issue(issue) for issue in body["issues"][:3]],
            "modules": {
                name: scores | {"weight": None, "issues": [], "detail": None} for name, scores in _scores(body).items()
            },
        }

    def batch(self, *domains: str) -> list[Held]:
        """The newest scan that a batch made of each domain."""
        results = []
        for domain in domains:
            scan = self._newest(self.account_id, "batch", domain)
            failed = scan["status"] == "failed"
            results.append(
                {
                    "domain": domain,
                    "overall_score": scan["score"],
                    "overall_grade": scan["grade"],
                    "modules": {} if failed else _scores(self._body(scan["id"])),
                    "error": f"scan failed: {scan['failure_reason']}" if failed else None,
                }
            )
        return results

    def _newest(self, account_id: int, source: str, domain: str) -> Held:
        return self._stage.rows(
            """select * from scanner.scan where account_id = $1 and source = $2 and domain = $3
               order by queued_at desc limit 1""",
            account_id,
            source,
            domain,
        )[0]

    def _body(self, job_id: Any) -> Held:
        (report,) = self._stage.rows("select body from scanner.report where scan_id = $1", job_id)
        body: Held = report["body"]
        return body

    # -- the account, its domains and webhooks -----------------------------------------------------------------------

    def usage(self) -> Held:
        (account,) = self._stage.rows(
            "select * from auth.accounts join auth.users on account_id = accounts.id where account_id = $1",
            self.account_id,
        )
        (used,) = self._stage.rows("select used from scanner.usage where account_id = $1", self.account_id)
        limits = account["limits"]
        return {
            "scans_used": used["used"],
            "scans_limit": limits["scans_per_month"],
            "scans_remaining": limits["scans_per_month"] - used["used"],
            "domains_limit": limits["domains"],
            "domains_used": len(self.domains()),
            "plan": account["plan"],
            "email": account["email"],
            "subscription_status": account["subscription_status"],
        }

    def domains(self) -> list[Held]:
        names = ("id", "domain", "scan_frequency", "alert_on_score_drop", "alert_threshold", "last_score", "last_grade")
        rows = self._stage.rows(
            "select * from monitor.domain where account_id = $1 order by created_at, id", self.account_id
        )
        return [_some(row, names, times=("created_at", "last_scanned_at")) for row in rows]

    def alerts(self) -> list[Held]:
        names = (
            "id", "alert_type", "severity", "title", "is_read", "message", "old_value", "new_value", "domain_id"
        )  # fmt: skip
        rows = self._stage.rows(
            "select * from monitor.alert where account_id = $1 order by created_at desc, id desc", self.account_id
        )
        return [_some(row, names, times=("created_at",)) | {"scan_id": None} for row in rows]

    def webhooks(self) -> list[Held]:
        names = ("id", "url", "description", "enabled_events", "is_active", "consecutive_failures")
        times = ("created_at", "updated_at", "last_delivery_at", "last_success_at")
        rows = self._stage.rows("select * from monitor.endpoint where account_id = $1", self.account_id)
        return [_some(row, names, times=times) | {"secret": None} for row in rows]

    def deliveries(self, endpoint_id: int) -> list[Held]:
        names = ("id", "event_type", "status", "retry_count", "http_status_code", "error_message")
        times = ("created_at", "sent_at", "delivered_at", "failed_at")
        rows = self._stage.rows(
            "select * from monitor.delivery where endpoint_id = $1 order by created_at desc, id desc", endpoint_id
        )
        return [_some(row, names, times=times) | {"event_id": str(row["event_id"])} for row in rows]


def summary(results: list[Held]) -> Held:
    """A batch's, from its results."""
    scores = [result["overall_score"] for result in results if result["overall_score"] is not None]
    grades = Counter(result["overall_grade"] for result in results if result["overall_grade"])
    return {
        "avg_score": round(sum(scores) / len(scores), 1),
        "critical_risk": grades["F"],
        "passing": grades["A"] + grades["B"],
        "grade_distribution": dict(grades),
    }


def _result(scan: Held) -> Held:
    total = sum(scan["issues"].values())
    return {
        "score": scan["score"],
        "grade": scan["grade"],
        "grade_reason": scan["grade_reason"],
        "risk_level": scan["risk_level"],
        "scanned_at": iso(scan["completed_at"]),
        "scan_duration_ms": scan["duration_ms"],
        "report_url": f"/v1/scan/jobs/{scan['id']}/report",
        "total_issues": total,
        "issues_count": total,
        **{f"{severity}_issues": scan["issues"].get(severity, 0) for severity in COUNTED},
    }


def _issue(issue: Held) -> Held:
    return {name: issue[name] for name in ("severity", "finding", "remediation")}


def _scores(body: Held) -> dict[str, Held]:
    return {name: {"score": module["score"], "grade": module["grade"]} for name, module in body["modules"].items()}


def _some(row: Held, names: tuple[str, ...], *, times: tuple[str, ...]) -> Held:
    return {name: row[name] for name in names} | {name: _when(row[name]) for name in times}


def _when(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
