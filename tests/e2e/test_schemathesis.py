"""Schemathesis over the OpenAPI document: what the fleet answers is what the document says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Account, Stage

pytestmark = pytest.mark.xdist_group("e2e")

SECONDS = 300  # a deadline against a hang; a run takes half a minute
# No schema can say what a public domain, a page's cursor or the right password is.
NOT_CHECKED = "positive_data_acceptance"


@pytest.mark.timeout(SECONDS + 60)
def test_every_answer_is_as_documented(stage: Stage, tireless: Account, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{stage.fleet.url}/v1/openapi.json"),
            *("-H", f"Authorization: {tireless.api.headers['Authorization']}"),
            *("-H", f"X-Forwarded-For: {tireless.api.headers['X-Forwarded-For']}"),
            *("--exclude-path", "/v1/auth/logout"),  # it would end the session that all else is called with
            *("--exclude-checks", NOT_CHECKED),
            *("--phases", "examples,coverage,fuzzing"),
            *("--seed", "1", "--max-examples", "25", "--request-timeout", "30", "--no-color"),
            *("--warnings", "off"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "No issues found" in run.stdout, run.stdout[-2000:]
