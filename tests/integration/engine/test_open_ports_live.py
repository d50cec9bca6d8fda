"""Each check of open ports fires for a service that speaks like the real one, and for nothing else."""

from dataclasses import replace

import pytest

from services.scanner.engine import catalog, scan
from services.scanner.engine.evidence.ports import FULL_PORTS, PORTS, Ports
from services.scanner.engine.network import World
from services.scanner.engine.target import parse
from shared.contracts.report import Module, Profile
from tests.integration.engine.harness import Scan, expect_blocked, expect_only, scanned
from tests.support.lab import Lab, hardened, ports
from tests.support.lab.ports import Dialogue, PortsSpec

SITE = hardened("hardened.test")
SSH = {
    "ssh_weak_algorithms": "there is an SSH server to judge",
    "ssh_password_auth_enabled": "and its ways to log in",
}
DATABASE = {"port_database_open": "a data store that needs no login is one that is reachable"}
NO_DATABASE = {"database_without_authentication": "there is a database now, and it demands a login"}


@pytest.mark.parametrize(
    ("fires", "port", "dialogue", "seen", "also"),
    [
        ("port_telnet_open", 23, ports.TELNET, "\\xff\\xfd", {}),
        ("port_telnet_open", 2222, ports.TELNET, "\\xff\\xfd", {}),  # wherever it is
        ("port_ftp_cleartext", 21, ports.FTP, "220 FTP server ready", {}),
        ("port_rdp_open", 3389, ports.RDP, "\\xd0", {}),
        ("port_ssh_open", 22, ports.ssh(), "SSH-2.0-OpenSSH_9.9", SSH),
        ("port_smb_open", 445, ports.SMB, "SMB", {}),
        ("port_vnc_or_x11_open", 5900, ports.VNC, "RFB 003.008", {}),
        ("port_database_open", 3306, ports.MYSQL, "8.4.3", {}),
        ("port_database_open", 5432, ports.POSTGRESQL, "S", {}),
        ("port_database_open", 6379, ports.REDIS_WITH_PASSWORD, "-NOAUTH", NO_DATABASE),
        ("database_without_authentication", 6379, ports.REDIS, "redis_version:8.0.0", DATABASE),
        ("port_container_api_open", 2375, ports.DOCKER, "Docker/28.0.1", {}),
        ("port_container_api_open", 6443, ports.KUBERNETES, '"kind": "Status"', {}),
        ("port_ldap_open", 389, ports.LDAP, "", {}),
        ("port_rpc_nfs_open", 111, ports.RPCBIND, "CLRP", {}),
        ("port_database_open", 2181, ports.ZOOKEEPER, "Zookeeper version", {"database_without_authentication": "open"}),
        ("port_unexpected_open", 9100, ports.SILENT, "", {}),
        ("management_interface_exposed", 5000, ports.JDWP, "JDWP-Handshake", {}),
    ],
)
async def test_a_service_is_found(
    baseline: Scan, fires: str, port: int, dialogue: Dialogue, seen: str, also: dict[str, str]
) -> None:
    changed = replace(SITE, ports=PortsSpec({port: dialogue}))

    verdict = await expect_only(baseline, changed, fires=fires, also=also)

    assert verdict.asset == f"hardened.test:{port}"
    assert seen in verdict.evidence["banner"]


async def test_a_service_that_is_recognised_may_be_meant_to_be_there(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({8888: ports.page("Hello")}))

    verdict = await expect_only(baseline, changed, fires="port_unexpected_open", becomes="not_tested")

    assert verdict.fault == "ours"
    assert "8888 (http)" in verdict.reason


async def test_ftp_that_takes_auth_tls_is_fine(baseline: Scan) -> None:
    seen = await scanned(replace(SITE, ports=PortsSpec({21: ports.FTP_WITH_TLS})))

    assert seen.statuses == baseline.statuses
    assert seen.verdicts("port_ftp_cleartext", "pass")[0].evidence["open"] == ["21/ftp", "80/http", "443/http"]


@pytest.mark.parametrize(
    ("port", "dialogue", "fires", "also", "told"),
    [
        (3389, ports.RDP, "port_rdp_open", {}, {"nla": "required"}),
        (3389, ports.RDP_WITHOUT_NLA, "port_rdp_open", {}, {"nla": "not required", "security": "TLS"}),
        (445, ports.SMB, "port_smb_open", {}, {"smb1": "refused"}),
        (445, ports.SMB1, "port_smb_open", {}, {"smb1": "accepted"}),
        (5900, ports.VNC, "port_vnc_or_x11_open", {}, {"security": "VNC"}),
        (5900, ports.VNC_WITHOUT_PASSWORD, "port_vnc_or_x11_open", {}, {"security": "None, VNC"}),
        (8009, ports.RDP, "port_rdp_open", {}, {"nla": "required"}),  # wherever it is, and whatever is asked first
        (3306, ports.MYSQL, "port_database_open", {}, {"product": "MySQL", "version": "8.4.3"}),
        (9042, ports.CASSANDRA, "database_without_authentication", DATABASE, {"protocol": "cassandra"}),
    ],
)
async def test_what_a_service_tells_of_itself(
    baseline: Scan, port: int, dialogue: Dialogue, fires: str, also: dict[str, str], told: dict[str, str]
) -> None:
    verdict = await expect_only(baseline, replace(SITE, ports=PortsSpec({port: dialogue})), fires=fires, also=also)

    assert verdict.evidence.items() >= told.items()


async def test_a_bare_greeting_is_asked_whose_it_is(baseline: Scan) -> None:
    server = Dialogue(
        greeting=b"220 ready\r\n", answers={b"EHLO": b"500 what?\r\n", b"SYST": b"215 UNIX\r\n", b"AUTH": b"502\r\n"}
    )

    verdict = await expect_only(baseline, replace(SITE, ports=PortsSpec({3690: server})), fires="port_ftp_cleartext")

    assert verdict.evidence["protocol"] == "ftp"


async def test_ftp_that_does_not_say_is_not_judged(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({21: Dialogue(greeting=b"220 FTP server ready\r\n")}))

    verdict = await expect_only(baseline, changed, fires="port_ftp_cleartext", becomes="not_tested")

    assert verdict.fault == "target"


async def test_ssh_that_takes_passwords(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({22: ports.ssh(methods=("publickey", "password"))}))

    verdict = await expect_only(
        baseline,
        changed,
        fires="ssh_password_auth_enabled",
        also={"port_ssh_open": "an SSH server answers", "ssh_weak_algorithms": "there is one to judge"},
    )

    assert verdict.evidence["methods"] == ["publickey", "password"]


async def test_ssh_that_breaks_off(baseline: Scan) -> None:
    server = ports.ssh(ciphers=("aes128-ctr",))  # which the lab's does not speak

    verdict = await expect_only(
        baseline,
        replace(SITE, ports=PortsSpec({22: server})),
        fires="ssh_password_auth_enabled",
        becomes="not_tested",
        also={"port_ssh_open": "an SSH server answers", "ssh_weak_algorithms": "its list was seen"},
    )

    assert verdict.fault == "target"


@pytest.mark.parametrize(
    ("fires", "port", "dialogue"),
    [
        ("udp_amplification_service", 19, ports.CHARGEN),
        ("udp_amplification_service", 123, ports.NTP_MONLIST),
        ("udp_amplification_service", 389, ports.CLDAP),
        ("udp_amplification_service", 1900, ports.SSDP),
        ("udp_amplification_service", 11211, ports.MEMCACHED_UDP),
        ("port_snmp_open", 161, ports.SNMP_PUBLIC),
    ],
)
async def test_a_udp_service_answers_a_stranger(baseline: Scan, fires: str, port: int, dialogue: Dialogue) -> None:
    verdict = await expect_only(baseline, replace(SITE, ports=PortsSpec(datagrams={port: dialogue})), fires=fires)

    assert verdict.asset == f"hardened.test:{port}"
    assert verdict.evidence["transport"] == "udp"


async def test_udp_silence_is_no_proof(baseline: Scan) -> None:
    seen = await scanned(replace(SITE, ports=PortsSpec(datagrams={123: ports.SILENT})))

    assert seen.statuses == baseline.statuses
    [verdict] = seen.verdicts("udp_amplification_service", "pass")
    assert verdict.confidence == "inferred"
    assert verdict.evidence["services"]["ntp monlist"] == "silent"


async def test_a_full_scan_tries_more_ports_and_tells_of_the_same_services() -> None:
    site = replace(SITE, ports=PortsSpec({7777: ports.REDIS, 8089: ports.RDP, 54321: ports.MYSQL}))
    async with Lab() as lab:
        await lab.serve(site)
        world = World.from_settings(lab.engine_settings(), "test")
        options = scan.Options(modules=(Module.OPEN_PORTS,), profile=Profile.FULL)
        observations = await scan.observe(parse(site.name), options, world)

    [address] = observations.evidence[Ports].addresses
    assert {port.port: port.protocol for port in address.open} == {
        80: "http",
        443: "http",
        7777: "redis",
        8089: "rdp",
        54321: "mysql",
    }
    assert len(address.closed) == len(FULL_PORTS) - 5
    assert not address.untried


async def test_weak_ssh_algorithms_are_named(baseline: Scan) -> None:
    server = ports.ssh(key_exchange=("curve25519-sha256", "diffie-hellman-group1-sha1"), ciphers=("aes128-cbc",))
    changed = replace(SITE, ports=PortsSpec({22: server}))

    verdict = await expect_only(
        baseline,
        changed,
        fires="ssh_weak_algorithms",
        also={
            "port_ssh_open": "an SSH server answers",
            "ssh_password_auth_enabled": "how users log in could not be asked",
        },
    )

    assert verdict.evidence["weak"] == ["diffie-hellman-group1-sha1", "aes128-cbc"]


async def test_an_administration_page_is_recognised(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({8081: ports.page("pfSense - Login")}))

    verdict = await expect_only(
        baseline,
        changed,
        fires="management_interface_exposed",
        also={"port_unexpected_open": "a web server on a port of its own is unexplained"},
    )

    assert verdict.evidence["title"] == "pfSense - Login"
    assert verdict.confidence == "inferred"


async def test_a_silent_service_on_a_telling_port_is_not_passed(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({23: ports.SILENT}))

    verdict = await expect_only(
        baseline,
        changed,
        fires="port_telnet_open",
        becomes="not_tested",
        also={"port_unexpected_open": "whatever it is, it is open"},
    )

    assert verdict.fault == "target"


async def test_a_filtered_port_is_not_open(baseline: Scan) -> None:
    """Silence on a port of an address that answers elsewhere is a definite outcome: it is not open."""
    seen = await scanned(replace(SITE, ports=PortsSpec(filtered=(23, 3389))))

    assert seen.statuses == baseline.statuses


async def test_an_address_that_drops_everything_is_not_passed() -> None:
    """The mail host answers, so that there is something to scan."""
    site = replace(SITE, web=None, tls=None, ports=PortsSpec(filtered=PORTS))
    rows = [row.id for row in catalog.load().checks.values() if row.module is Module.OPEN_PORTS]
    by_tcp = [check_id for check_id in rows if check_id not in ("udp_amplification_service", "port_snmp_open")]

    seen = await expect_blocked(site, checks=by_tcp)

    [verdict] = seen.verdicts("port_database_open", "not_tested")
    assert verdict.reason == f"not one of {len(PORTS)} ports of {seen.place.web} answered"


@pytest.mark.slow
async def test_a_host_that_answers_everywhere_is_not_a_host_of_a_hundred_services() -> None:
    silent = Dialogue(greeting=b"")
    site = replace(SITE, ports=PortsSpec(dict.fromkeys(set(PORTS) - {80, 443}, silent)))

    seen = await scanned(site)

    [verdict] = seen.verdicts("port_unexpected_open", "not_tested")
    assert verdict.fault == "target"
    assert "something answers in the place of services" in verdict.reason
