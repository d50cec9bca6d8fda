"""The curl commands of the API reference, run as they stand there."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Account, Stage

pytestmark = pytest.mark.xdist_group("e2e")

SCAN = r"""curl -X POST "https://api.compliancelayer.net/v1/scan" \
-H "Authorization: Bearer cl_YOUR_API_KEY" \
-H "Content-Type: application/json" \
-d '{"domain": "example.com"}'
"""
JOB = r"""curl "https://api.compliancelayer.net/v1/scan/jobs/job_abc123def456" \
-H "Authorization: Bearer cl_YOUR_API_KEY"
"""
REPORT = r"""curl "https://api.compliancelayer.net/v1/scan/jobs/job_abc123def456/report" \
-H "Authorization: Bearer cl_YOUR_API_KEY"
"""
RECENT = r"""curl "https://api.compliancelayer.net/v1/scan/recent" \
-H "Authorization: Bearer cl_YOUR_API_KEY"
"""
HISTORY = r"""curl "https://api.compliancelayer.net/v1/scan/history" \
-H "Authorization: Bearer cl_YOUR_API_KEY"
"""
PDF = r"""# Download PDF report
curl "https://api.compliancelayer.net/v1/compliance/reports/job_abc123def456/pdf" \
-H "Authorization: Bearer cl_YOUR_API_KEY" \
--output report.pdf
"""
VERIFY = r"""# Public endpoint - no API key required
curl "https://api.compliancelayer.net/v1/verify/cl_rpt_abc123def456"
"""
DOMAINS = r"""curl "https://api.compliancelayer.net/v1/domains" \
-H "Authorization: Bearer cl_YOUR_API_KEY"
"""
ADD_DOMAIN = r"""curl -X POST "https://api.compliancelayer.net/v1/domains" \
-H "Authorization: Bearer cl_YOUR_API_KEY" \
-H "Content-Type: application/json" \
-d '{
"domain": "example.com",
"scan_frequency": "daily",
"alert_threshold": 10
}'
"""

DOMAIN = "hardened.test"


@dataclass(frozen=True)
class Sample:
    """A customer with a scan and a report, and how a command is run for them."""

    account: Account
    job_id: str
    report_id: str
    sha256: str
    run: Callable[[str], str]

    def json(self, command: str) -> Any:
        return json.loads(self.run(command))


@pytest.fixture(scope="module")
def sample(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("curl")
    with stage.account("professional") as account:
        job_id = account.scanned(DOMAIN)
        pdf = account.api.get(f"/v1/compliance/reports/{job_id}/pdf").raise_for_status()
        report_id = pdf.headers["X-Report-Id"]

        def run(command: str) -> str:
            for sample, own in {
                "https://api.compliancelayer.net": stage.fleet.url,
                "cl_YOUR_API_KEY": account.key,
                "example.com": DOMAIN,
                "job_abc123def456": job_id,
                "cl_rpt_abc123def456": report_id,
            }.items():
                command = command.replace(sample, own)
            done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=30, check=True)
            return done.stdout.decode()

        yield Sample(account, job_id, report_id, hashlib.sha256(pdf.content).hexdigest(), run)
        assert [path.name for path in folder.iterdir()] in ([], ["report.pdf"])


def test_queue_a_scan(sample: Sample) -> None:
    job = sample.json(SCAN)
    assert (job["domain"], job["source"], job["result"]) == (DOMAIN, "api", None)
    assert job["status"] in ("queued", "running")
    done = sample.account.until(f"/v1/scan/jobs/{job['job_id']}", lambda job: job["status"] == "completed")
    assert done["result"]["grade"] == "A"


def test_get_the_status_of_a_job(sample: Sample) -> None:
    job = sample.json(JOB)
    assert (job["job_id"], job["domain"], job["status"]) == (sample.job_id, DOMAIN, "completed")
    assert (job["result"]["score"], job["result"]["grade"]) == (100, "A")


def test_get_the_report(sample: Sample) -> None:
    report = sample.json(REPORT)
    assert (report["job_id"], report["domain"], report["grade"]) == (sample.job_id, DOMAIN, "A")
    assert set(report["compliance"]) == {"soc2", "pci_dss", "hipaa", "nist_csf", "iso27001", "cis_controls"}
    assert len(report["modules"]) == 15


@pytest.mark.parametrize("command", [RECENT, HISTORY], ids=["recent", "history"])
def test_list_scans(sample: Sample, command: str) -> None:
    (scan,) = [scan for scan in sample.json(command)["scans"] if scan["job_id"] == sample.job_id]
    assert (scan["domain"], scan["score"], scan["grade"], scan["status"]) == (DOMAIN, 100, "A", "completed")


def test_download_the_pdf(sample: Sample) -> None:
    assert sample.run(f"{PDF}sha256sum report.pdf") == f"{sample.sha256}  report.pdf\n"


def test_verify_a_report(sample: Sample) -> None:
    answer = sample.json(VERIFY)
    assert (answer["valid"], answer["report_id"], answer["domain"]) == (True, sample.report_id, DOMAIN)
    assert answer["sha256"] == sample.sha256


def test_monitor_a_domain_and_list_it(sample: Sample) -> None:
    added = sample.json(ADD_DOMAIN)
    assert (added["domain"], added["scan_frequency"], added["alert_threshold"]) == (DOMAIN, "daily", 10)
    listed = sample.json(DOMAINS)
    assert [domain["id"] for domain in listed["domains"]] == [added["id"]]
    assert (listed["total"], listed["limit_used"], listed["limit_max"]) == (1, 1, 50)
