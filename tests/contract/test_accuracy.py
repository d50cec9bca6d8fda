"""docs/accuracy.md tells of every check and of no other: `make accuracy` was run since the last one came."""

import re

from services.scanner.engine import catalog
from tests.accuracy.__main__ import DOCUMENT, EXEMPT


def test_the_table_has_every_check_of_the_catalog() -> None:
    section = DOCUMENT.read_text("utf-8").partition("<!-- figures -->")[2].partition("<!-- /figures -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE)
    assert rows == [(row.id, row.tier) for row in catalog.load().checks.values()]


def test_what_is_exempt_is_a_core_check() -> None:
    checks = catalog.load().checks
    assert all(checks[check_id].tier == "core" for check_id, _ in EXEMPT)
