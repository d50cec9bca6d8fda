"""`compliancelayer scan` as a program: what it prints, and the exit codes that a pipeline goes by."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import Stage
from tests.support.fleet import ROOT

pytestmark = pytest.mark.xdist_group("e2e")


@dataclass(frozen=True)
class Case:
    arguments: tuple[str, ...]
    exit_code: int
    says: str  # on standard output where a scan was made, else on standard error


CASES = (
    Case(("hardened.test", "--fail-under", "A"), 0, "hardened.test  grade A  score 100/100"),
    Case(("neglected.test", "--fail-under", "B"), 1, "neglected.test  grade F"),
    Case(("192.0.2.1",), 2, "IP address"),
    Case(("hardened.test", "--fail-under", "E"), 2, "--fail-under takes"),
    Case(("dark.test",), 3, "dark.test could not be scanned: answers on no web and no mail port."),
    Case(("nowhere.test",), 3, "nowhere.test could not be scanned: does not resolve."),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case.arguments))
def test_exit_codes(stage: Stage, case: Case) -> None:
    done = scan(stage, *case.arguments)
    assert done.returncode == case.exit_code, done.stderr
    assert case.says in (done.stdout if case.exit_code < 2 else done.stderr)


def test_a_report_for_another_program(stage: Stage) -> None:
    done = scan(stage, "hardened.test", "--format", "json", "--quiet")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (report["domain"], report["grade"], report["total_issues"]) == ("hardened.test", "A", 0)


def scan(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "scan", *arguments],
        cwd=ROOT, env=stage.lab.settings(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
