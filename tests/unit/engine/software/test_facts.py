"""The shipped tables are sound, and what is taken in their place is checked."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.scanner.engine.facts import tables, technologies, validation
from services.scanner.engine.facts.tables import BadTable, Name

TODAY = date(2026, 11, 25)


@pytest.fixture(autouse=True)
def shipped() -> Iterator[None]:
    tables.forget()
    yield
    tables.forget()


def raw(name: Name, **changes: Any) -> bytes:
    table = tables.load(name)
    made = {
        "table": name,
        "date": "2026-11-01",
        "source": ["https://facts.example"],
        "licence": "CC0-1.0",
        "rows": dict(table.rows),
    }
    return orjson.dumps({**made, **changes})


@pytest.mark.parametrize("name", tables.NAMES)
def test_the_shipped_tables_pass_their_own_check(name: Name) -> None:
    file = Path(tables.__file__).with_name(f"{name}.json")
    table = validation.accepted(name, file.read_bytes(), TODAY)
    assert table.source
    assert table.licence
    assert table.date <= TODAY


def test_there_is_enough_in_them() -> None:
    assert len(tables.load("end_of_life").rows) >= 40
    assert sum(len(rows) for rows in tables.load("vulnerabilities").rows.values()) >= 150
    assert len(tables.load("javascript").rows) >= 40
    assert "CVE-2021-41773" in tables.load("exploited").rows


@pytest.mark.parametrize("name", ["vulnerabilities", "javascript"])
def test_every_product_in_them_can_be_recognised(name: Name) -> None:
    for product in tables.load(name).rows:
        assert technologies.product(product).name


@pytest.mark.parametrize(
    ("product", "version", "flaw", "score", "exploited"),
    [
        ("apache:http_server", "2.4.49", "CVE-2021-41773", 9.8, "2021-11-03"),
        ("openbsd:openssh", "9.7p1", "CVE-2024-6387", 8.1, ""),
        ("exim:exim", "4.91", "CVE-2019-10149", 9.8, "2022-01-10"),
        ("openssl:openssl", "1.0.1f", "CVE-2014-0160", 7.5, "2022-05-04"),
        ("php:php", "7.3.10", "CVE-2019-11043", 9.8, "2022-03-25"),
        ("drupal:drupal", "8.5.0", "CVE-2018-7600", 9.8, "2021-11-03"),
        ("atlassian:confluence", "7.18.0", "CVE-2022-26134", 9.8, "2022-06-02"),
    ],
)
def test_well_known_flaws(product: str, version: str, flaw: str, score: float, exploited: str) -> None:
    found = {one.id: one for one in tables.flaws(product, version, whole=technologies.product(product).whole)}
    assert (found[flaw].score, found[flaw].exploited) == (score, exploited)


@pytest.mark.parametrize(
    ("product", "version", "absent"),
    [
        ("apache:http_server", "2.4.50", "CVE-2021-41773"),
        ("openbsd:openssh", "9.8p1", "CVE-2024-6387"),
        ("openbsd:openssh", "7.9p1", "CVE-2024-6387"),  # it came back with 8.5
        ("openssl:openssl", "1.0.1g", "CVE-2014-0160"),
        ("php:php", "8.1.28", "CVE-2024-4577"),  # on Windows alone
        ("drupal:drupal", "7", "CVE-2018-7600"),  # which 7 does not show
    ],
)
def test_flaws_that_a_version_has_not(product: str, version: str, absent: str) -> None:
    assert absent not in {one.id for one in tables.flaws(product, version, whole=technologies.product(product).whole)}


def test_a_flaw_of_windows() -> None:
    assert "CVE-2024-4577" in {one.id for one in tables.flaws("php:php", "8.2.12", platform="windows")}


def test_grades_follow_cvss() -> None:
    assert [tables.grade_of(score) for score in (10.0, 9.0, 8.9, 7.0, 6.9, 4.0, 3.9)] == [
        *("critical", "critical", "high", "high", "medium", "medium", "low")
    ]


@pytest.mark.parametrize(
    ("product", "version", "ended"),
    [
        ("php:php", "7.4.33", True),
        ("php:php", "8.4.1", False),
        ("php:php", "4.4.9", True),  # older than every line in the table
        ("apache:http_server", "2.4.6", False),
        ("jquery:jquery", "1.12.4", True),
        ("microsoft:exchange_server", "15.1.2507.6", True),
        ("microsoft:exchange_server", "15.2.2562.46", False),
    ],
)
def test_lines(product: str, version: str, ended: bool) -> None:
    cycle = tables.cycle(product, version)
    assert cycle is not None
    assert cycle.ended(TODAY) is ended


@pytest.mark.parametrize(("product", "version"), [("php:php", "99.1"), ("php:php", ""), ("nobody:nothing", "1.0")])
def test_a_line_that_is_not_known(product: str, version: str) -> None:
    assert tables.cycle(product, version) is None


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("exploited", {"date": "2027-01-01"}, "to come"),
        ("exploited", {"date": "2020-01-01"}, "older than the one in use"),
        ("exploited", {"rows": {"CVE-2021-41773": ["2021-11-03", "2021-11-17"]}}, "1 rows"),
        ("exploited", {"rows": []}, "is not the table"),
        ("exploited", {"table": "javascript"}, "is not the table"),
        ("exploited", {"date": "yesterday"}, "it is no table"),
    ],
)
def test_what_is_refused(name: Name, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadTable, match=reason):
        validation.accepted(name, raw(name, **changes), TODAY)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("exploited", {"not a CVE": ["2021-11-03", "2021-11-17"]}),
        ("vulnerabilities", {"a:b": [["CVE-2021-1", 9.8, ["<1"]]]}),
        ("vulnerabilities", {"a:b": [["CVE-2021-1234", 98, ["<1"]]]}),
        ("vulnerabilities", {"a:b": [["CVE-2021-1234", 9.8, ["below 1"]]]}),
        ("end_of_life", {"a:b": [["1.0", "2026-13-01", ""]]}),
        ("javascript", {"a:b": {"flaws": [[[], "high", ["<1"]]], "unsupported": []}}),
    ],
)
def test_every_row_is_checked(name: Name, row: dict[str, Any]) -> None:
    rows = {**tables.load(name).rows, **row}
    with pytest.raises(BadTable):
        validation.accepted(name, raw(name, rows=rows), TODAY)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"date": 1}', b"\xff"])
def test_no_table_at_all(data: bytes) -> None:
    with pytest.raises(BadTable):
        tables.parse("exploited", data)


def test_the_newer_table_is_used(tmp_path: Path) -> None:
    rows = {**tables.load("exploited").rows, "CVE-2024-6387": ["2026-10-01", "2026-10-22"]}
    (tmp_path / "exploited.json").write_bytes(raw("exploited", rows=rows))
    assert not tables.flaws("openbsd:openssh", "9.7p1")[0].exploited

    tables.prefer(tmp_path)

    assert tables.load("exploited").fetched
    assert tables.flaws("openbsd:openssh", "9.7p1")[0].exploited == "2026-10-01"
    assert not tables.load("javascript").fetched


@pytest.mark.parametrize("data", [b"broken", b""])
def test_a_broken_file_leaves_the_shipped_table_in_use(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "exploited.json").write_bytes(data)
    tables.prefer(tmp_path)
    assert not tables.load("exploited").fetched


def test_an_older_file_leaves_the_shipped_table_in_use(tmp_path: Path) -> None:
    (tmp_path / "exploited.json").write_bytes(raw("exploited", date="2020-01-01", rows={}))
    tables.prefer(tmp_path)
    assert not tables.load("exploited").fetched
