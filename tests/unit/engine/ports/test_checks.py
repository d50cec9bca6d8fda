"""What the checks of ports make of evidence that no lab shows."""

from dataclasses import replace

from services.scanner.engine.check import Verdict
from services.scanner.engine.checks import ports as checks
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import PORTS, OpenPort, Ports, ScannedAddress

WEB = OpenPort(443, "http", banner="HTTP/1.1 200 OK", tls=True)
ADDRESS = ScannedAddress("example.test", "192.0.2.1", (WEB,), closed=(23,), filtered=(25,))


def told(verdicts: list[Verdict]) -> list[tuple[str, str]]:
    return [(verdict.status, verdict.asset) for verdict in verdicts]


def test_one_address_that_fails_is_not_outweighed_by_one_that_passes() -> None:
    exposed = replace(ADDRESS, address="192.0.2.2", open=(WEB, OpenPort(3389, "rdp")))

    assert told(list(checks.rdp(Ports("example.test", (ADDRESS, exposed))))) == [("fail", "example.test:3389")]


def test_the_same_port_on_two_addresses_is_one_failure() -> None:
    exposed = replace(ADDRESS, open=(OpenPort(22, "ssh"), OpenPort(2222, "ssh")))

    found = told(list(checks.ssh(Ports("example.test", (exposed, replace(exposed, address="192.0.2.2"))))))

    assert found == [("fail", "example.test:22"), ("fail", "example.test:2222")]


def test_an_address_that_answers_nowhere_is_not_passed() -> None:
    silent = Unseen("not one of 105 ports of 192.0.2.1 answered", "target")
    dark = ScannedAddress("example.test", "192.0.2.1", (), (), PORTS, silent)

    assert told(list(checks.database(Ports("example.test", (dark,))))) == [("not_tested", "example.test")]


def test_a_web_site_with_mail_and_ssh_has_nothing_unexpected() -> None:
    usual = (OpenPort(22, "ssh"), OpenPort(25, "smtp"), OpenPort(53, "unknown"), OpenPort(993, "imap", tls=True), WEB)

    [verdict] = checks.unexpected(Ports("example.test", (replace(ADDRESS, open=usual),)))

    assert verdict.status == "pass"
    assert verdict.evidence["open"] == ["22/ssh", "25/smtp", "53/unknown", "993/imap", "443/http"]


def test_a_database_that_would_take_a_login_attempt_is_not_judged_for_one() -> None:
    [verdict] = checks.database_without_authentication(
        Ports("example.test", (replace(ADDRESS, open=(OpenPort(3306, "mysql"),)),))
    )

    assert verdict.status == "not_applicable"


def test_ssh_1_is_weak_whatever_it_lists() -> None:
    old = OpenPort(22, "ssh", banner="SSH-1.99-OpenSSH_3.9", ssh=Unseen("the server sent no list", "target"))

    [verdict] = checks.ssh_weak_algorithms(Ports("example.test", (replace(ADDRESS, open=(old,)),)))

    assert (verdict.status, verdict.evidence["weak"]) == ("fail", ["SSH-1.99"])


def test_the_ports_are_about_a_hundred_and_in_order() -> None:
    assert 95 <= len(PORTS) <= 110
    assert list(PORTS) == sorted(set(PORTS))
