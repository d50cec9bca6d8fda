"""What the checks of ports make of evidence that no lab shows."""

from dataclasses import replace
from typing import Any

import pytest

from services.scanner.engine.check import Verdict
from services.scanner.engine.checks import datagrams, ssh
from services.scanner.engine.checks import ports as checks
from services.scanner.engine.checks.management import administration_of
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import (
    FULL_PORTS,
    PORTS,
    Datagrams,
    OpenPort,
    Ports,
    ScannedAddress,
    Snmp,
    SshAlgorithms,
    UdpAnswer,
    UdpHost,
)
from services.scanner.engine.probes.ports import cdn

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

    [verdict] = ssh.ssh_weak_algorithms(Ports("example.test", (replace(ADDRESS, open=(old,)),)))

    assert (verdict.status, verdict.evidence["weak"]) == ("fail", ["SSH-1.99"])


def test_the_ports_are_about_a_hundred_and_in_order() -> None:
    assert 95 <= len(PORTS) <= 110
    assert list(PORTS) == sorted(set(PORTS))


def test_full_ports_are_about_a_thousand_and_hold_the_others() -> None:
    assert 1000 <= len(FULL_PORTS) <= 1200
    assert FULL_PORTS[: len(PORTS)] == PORTS
    assert len(set(FULL_PORTS)) == len(FULL_PORTS)
    assert all(0 < port < 65536 for port in FULL_PORTS)


def test_what_a_content_delivery_network_opens_is_nobodys_surprise() -> None:
    served = tuple(OpenPort(port, "unknown") for port in (2053, 8443))
    behind = replace(ADDRESS, open=served, cdn="Cloudflare", cdn_ports=(80, 443, 2053, 8443))

    [verdict] = checks.unexpected(Ports("example.test", (behind,)))
    assert (verdict.status, verdict.evidence["cdn"]) == ("pass", "Cloudflare")

    [verdict] = checks.unexpected(Ports("example.test", (replace(behind, open=(*served, OpenPort(9999, "unknown"))),)))
    assert (verdict.status, verdict.asset) == ("fail", "example.test:9999")


def test_whose_address_it_is() -> None:
    names = {
        address: cdn.of(address)
        for address in ("104.16.1.1", "2606:4700::1", "151.101.1.1", "192.0.2.1", "2001:db8::1")
    }

    assert {address: found and found.name for address, found in names.items()} == {
        "104.16.1.1": "Cloudflare",
        "2606:4700::1": "Cloudflare",
        "151.101.1.1": "Fastly",
        "192.0.2.1": None,
        "2001:db8::1": None,
    }


def test_a_host_that_takes_every_connection_is_not_judged_by_them() -> None:
    everywhere = replace(ADDRESS, open=tuple(OpenPort(port, "unknown") for port in PORTS), closed=(), filtered=())

    [verdict] = checks.unexpected(Ports("example.test", (everywhere,)))

    assert (verdict.status, verdict.fault) == ("not_tested", "target")


@pytest.mark.parametrize(("starttls", "status"), [(True, "pass"), (False, "fail"), (None, "not_tested")])
def test_whether_ftp_takes_tls(starttls: bool | None, status: str) -> None:
    server = OpenPort(21, "ftp", banner="220 FTP", starttls=starttls)

    [verdict] = checks.ftp_cleartext(Ports("example.test", (replace(ADDRESS, open=(server,)),)))

    assert verdict.status == status


@pytest.mark.parametrize(
    ("title", "banner", "of"),
    [
        ("pfSense - Login", "", "pfSense"),
        ("fw.example.test - pfSense - Login", "", "pfSense"),
        ("pve1 - Proxmox Virtual Environment", "", "Proxmox VE"),
        ("FortiGate", "", "Fortinet"),
        ("iLO 5 - server.example.test", "", "HPE iLO"),
        ("RouterOS router configuration page", "", "MikroTik RouterOS"),
        ("", "HTTP/1.1 200 OK\r\nServer: MiniServ/2.105\r\n", "MiniServ"),
        ("Buy a FortiGate firewall - Example Shop", "", ""),
        ("How to install Webmin on Debian", "", ""),
        ("Synology NAS deals of the week", "", ""),
        ("Welcome to Example", "HTTP/1.1 200 OK\r\nServer: nginx\r\n", ""),
    ],
)
def test_pages_of_administration(title: str, banner: str, of: str) -> None:
    assert administration_of(title, banner) == of


def test_what_controls_a_machine_is_confirmed() -> None:
    debugger = replace(ADDRESS, open=(OpenPort(5005, "jdwp", banner="JDWP-Handshake"),))

    [verdict] = checks.management_interface(Ports("example.test", (debugger,)))

    assert (verdict.status, verdict.confidence) == ("fail", "confirmed")


@pytest.mark.parametrize(
    ("kind", "name", "is_weak"),
    [
        ("key_exchange", "diffie-hellman-group1-sha1", True),
        ("key_exchange", "diffie-hellman-group-exchange-sha1", True),
        ("key_exchange", "gss-gex-sha1-toWM5Slw5Ew8Mqkay+al2g==", True),
        ("key_exchange", "rsa1024-sha1", True),
        ("key_exchange", "diffie-hellman-group14-sha256", False),
        ("key_exchange", "mlkem768x25519-sha256", False),
        ("key_exchange", "sntrup761x25519-sha512@openssh.com", False),
        ("host_keys", "ssh-dss", True),
        ("host_keys", "ssh-dss-cert-v01@openssh.com", True),
        ("host_keys", "ssh-rsa", False),
        ("ciphers", "aes256-cbc", True),
        ("ciphers", "rijndael-cbc@lysator.liu.se", True),
        ("ciphers", "3des-ctr", True),
        ("ciphers", "arcfour256", True),
        ("ciphers", "none", True),
        ("ciphers", "aes128-ctr", False),
        ("ciphers", "chacha20-poly1305@openssh.com", False),
        ("macs", "hmac-md5-96-etm@openssh.com", True),
        ("macs", "hmac-sha1", False),
        ("macs", "umac-128@openssh.com", False),
    ],
)
def test_weak_ssh_algorithms(kind: str, name: str, is_weak: bool) -> None:
    fine = SshAlgorithms(("curve25519-sha256",), ("ssh-ed25519",), ("aes256-gcm@openssh.com",), ("hmac-sha2-256",))
    server = OpenPort(22, "ssh", banner="SSH-2.0-x", ssh=replace(fine, **{kind: (name,)}))

    [verdict] = ssh.ssh_weak_algorithms(Ports("example.test", (replace(ADDRESS, open=(server,)),)))

    assert (verdict.status, verdict.evidence.get("weak")) == (("fail", [name]) if is_weak else ("pass", None))


@pytest.mark.parametrize(
    ("ciphers", "key_exchange", "is_noted"),
    [
        ("chacha20-poly1305@openssh.com", ("curve25519-sha256",), True),
        ("chacha20-poly1305@openssh.com", ("curve25519-sha256", "kex-strict-s-v00@openssh.com"), False),
        ("aes256-gcm@openssh.com", ("curve25519-sha256",), False),
    ],
)
def test_terrapin_is_noted(ciphers: str, key_exchange: tuple[str, ...], is_noted: bool) -> None:
    offered = SshAlgorithms(key_exchange, ("ssh-ed25519",), (ciphers,), ("hmac-sha2-256-etm@openssh.com",))
    server = OpenPort(22, "ssh", banner="SSH-2.0-x", ssh=offered)

    [verdict] = ssh.ssh_weak_algorithms(Ports("example.test", (replace(ADDRESS, open=(server,)),)))

    assert verdict.status == "pass"
    assert ("terrapin" in verdict.evidence) is is_noted


@pytest.mark.parametrize(
    ("methods", "status"),
    [
        (("publickey",), "pass"),
        (("publickey", "keyboard-interactive"), "pass"),  # which may be a second factor as well as a password
        (("publickey", "password"), "fail"),
        (("none",), "fail"),
        (Unseen("it broke off", "target"), "not_tested"),
        (None, "not_tested"),
    ],
)
def test_ways_to_log_in(methods: tuple[str, ...] | Unseen | None, status: str) -> None:
    server = OpenPort(22, "ssh", ssh_methods=methods)

    [verdict] = ssh.ssh_password_auth_enabled(Ports("example.test", (replace(ADDRESS, open=(server,)),)))

    assert verdict.status == status


@pytest.mark.parametrize(
    ("states", "status", "confidence"),
    [
        (("closed", "refuses"), "pass", "confirmed"),
        (("closed", "silent"), "pass", "inferred"),
        (("silent", "answers"), "fail", "confirmed"),
    ],
)
def test_udp(states: tuple[Any, Any], status: str, confidence: str) -> None:
    first, second = states
    answers = (UdpAnswer(123, "ntp monlist", first, 8, 480), UdpAnswer(11211, "memcached", second, 17, 30))
    hosts = (UdpHost("example.test", "192.0.2.1", answers),)

    [verdict] = datagrams.udp_amplification_service(Datagrams("example.test", hosts))

    assert (verdict.status, verdict.confidence) == (status, confidence)


def test_udp_without_a_way_there() -> None:
    unseen = UdpHost("example.test", "2001:db8::1", (), Unseen("no way", "ours"))

    [verdict] = datagrams.port_snmp_open(Snmp("example.test", (unseen,)))

    assert (verdict.status, verdict.fault) == ("not_tested", "ours")
