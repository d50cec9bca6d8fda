"""The facts that monitoring compares: what was withheld is not gone, and an address out of our reach hides nothing."""

from datetime import UTC, datetime

import pytest

from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress
from services.scanner.engine.evidence.tls import Endpoint, NoService, Tls
from services.scanner.engine.observations import Circumstances, Observations
from services.scanner.summary import facts
from shared.contracts.report import Module

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CIRCUMSTANCES = Circumstances("example.test", tuple(Module), "here", NOW, NOW, 1, (), "0")


@pytest.mark.parametrize(("fault", "tested"), [("target", False), ("source", False), ("ours", True)])
def test_an_address_that_was_not_seen(fault: Fault, tested: bool) -> None:
    unseen = Unseen("not seen", fault)
    ports = (
        ScannedAddress("example.test", "192.0.2.1", (OpenPort(443, "http"),), (), ()),
        ScannedAddress("example.test", "2001:db8::1", (), (), (), unseen),
    )
    endpoints = (
        Endpoint("example.test", "192.0.2.1", 443, NOW, NoService("refused")),
        Endpoint("example.test", "2001:db8::1", 443, NOW, unseen),
    )
    evidence = {Ports: Ports("example.test", ports), Tls: Tls("example.test", endpoints)}
    found = facts(Observations(CIRCUMSTANCES, evidence))
    assert found.open_ports == ("example.test:443",)
    assert (found.open_ports_tested, found.certificates_tested) == (tested, tested)
