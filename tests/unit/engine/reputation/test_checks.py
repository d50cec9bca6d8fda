"""Verdicts on what others say, over evidence made by hand."""

from datetime import UTC, datetime

import pytest

from services.scanner.engine.checks.reputation import ip_blocklisted
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.reputation import BlockList, Entry, Reputation

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HIDDEN = Unseen("no answer", "target")


@pytest.mark.parametrize(
    ("addresses", "unseen", "said"),
    [
        (("192.0.2.1",), None, {"192.0.2.1": "pass"}),
        ((), None, {"a.test": "not_applicable"}),
        ((), HIDDEN, {"a.test": "not_tested"}),
        (("192.0.2.1",), HIDDEN, {"a.test": "not_tested", "192.0.2.1": "pass"}),
    ],
)
def test_addresses_that_could_not_be_found_may_be_listed(
    addresses: tuple[str, ...], unseen: Unseen | None, said: dict[str, str]
) -> None:
    entries = tuple(Entry(address, f"{address}.bl.test", ()) for address in addresses)
    seen = Reputation(
        "a.test", "a.test", addresses, (BlockList("bl.test", ("ipv4",), NOW, entries),), HIDDEN, "", (), 0, 0, unseen
    )
    assert {verdict.asset: verdict.status for verdict in ip_blocklisted(seen)} == said
