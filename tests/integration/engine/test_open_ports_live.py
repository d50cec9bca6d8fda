"""Each check of open ports fires for a service that speaks like the real one, and for nothing else."""

from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import hardened, ports
from tests.support.lab.ports import Dialogue, PortsSpec

SITE = hardened("hardened.test")
SSH = {"ssh_weak_algorithms": "there is an SSH server to judge"}
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
        ("port_unexpected_open", 9100, ports.SILENT, "", {}),
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
    scan = await scanned(replace(SITE, ports=PortsSpec({21: ports.FTP_WITH_TLS})))

    assert scan.statuses == baseline.statuses
    assert scan.verdicts("port_ftp_cleartext", "pass")[0].evidence["open"] == ["21/ftp", "80/http", "443/http"]


async def test_weak_ssh_algorithms_are_named(baseline: Scan) -> None:
    server = ports.ssh(key_exchange=("curve25519-sha256", "diffie-hellman-group1-sha1"), ciphers=("aes128-cbc",))
    changed = replace(SITE, ports=PortsSpec({22: server}))

    verdict = await expect_only(
        baseline, changed, fires="ssh_weak_algorithms", also={"port_ssh_open": "an SSH server answers"}
    )

    assert verdict.evidence["weak"] == ["diffie-hellman-group1-sha1", "aes128-cbc"]


async def test_an_administration_page_is_recognised(baseline: Scan) -> None:
    changed = replace(SITE, ports=PortsSpec({8443: replace(ports.page("pfSense - Login"), tls=True)}))

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
    scan = await scanned(replace(SITE, ports=PortsSpec(filtered=(23, 3389))))

    assert scan.statuses == baseline.statuses
