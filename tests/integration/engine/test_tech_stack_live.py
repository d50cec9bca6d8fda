"""Each check of software fires for a server that shows what the real one shows, and for nothing else."""

from dataclasses import replace

import pytest

from tests.integration.engine.harness import SOFTWARE, Scan, expect_blocked, expect_only
from tests.support.lab import Site, hardened, ports
from tests.support.lab.mail import MailSpec, SmtpSpec
from tests.support.lab.ports import PortsSpec
from tests.support.lab.web import PAGE, WebSpec

SITE = hardened("hardened.test")
KNOWN = "its version is in the table of flaws, and has none that counts there"
LISTED = {"technology_inventory": "a product shows"}
NAMED = {"server_version_disclosed": "the header names a version"}
OF_ANY = (
    "known_exploited_vulnerability",
    "known_vulnerability_critical",
    "known_vulnerability_high",
    "known_vulnerability_medium",
    "known_vulnerability_low",
)


def without_flaws_but(*fired: str) -> dict[str, str]:
    """The checks of flaws turn from not applicable to passed."""
    return {check_id: KNOWN for check_id in OF_ANY if check_id not in fired}


def server(value: str, name: str = "Server") -> Site:
    return replace(SITE, web=WebSpec().set(name, value))


def loading(script: str) -> Site:
    return replace(SITE, web=WebSpec(page=PAGE.replace("https://cdn.example/lib.js", script)))


@pytest.mark.parametrize(
    ("fires", "shown", "named"),
    [
        ("known_exploited_vulnerability", "Wing FTP Server/7.4.3", "CVE-2025-47812"),
        ("known_vulnerability_critical", "RomPager/4.07 UPnP/1.0", "CVE-2014-9222"),
        ("known_vulnerability_high", "gunicorn/19.9.0", "CVE-2024-1135"),
        ("known_vulnerability_medium", "mini_httpd/1.19 19dec2003", "CVE-2018-18778"),
    ],
)
async def test_a_flaw_is_told_in_the_check_of_its_grade(baseline: Scan, fires: str, shown: str, named: str) -> None:
    also = {**LISTED, **NAMED, **without_flaws_but(fires)}

    verdict = await expect_only(baseline, server(shown), fires=fires, also=also)

    assert verdict.evidence["flaws"][0]["id"] == named
    assert set(verdict.evidence["facts"]) == {"vulnerabilities", "exploited"}
    assert (verdict.confidence, verdict.subject) == ("inferred", shown.split("/")[0].replace("gunicorn", "Gunicorn"))


async def test_a_flaw_of_low_grade(baseline: Scan) -> None:
    site = replace(SITE, ports=PortsSpec({2222: ports.ssh(identification=b"SSH-2.0-OpenSSH_10.0")}))
    also = {
        **LISTED,
        **without_flaws_but("known_vulnerability_low"),
        "port_ssh_open": "it is an SSH server",
        "ssh_weak_algorithms": "there is an SSH server to judge",
        "ssh_password_auth_enabled": "and its ways to log in",
    }

    verdict = await expect_only(baseline, site, fires="known_vulnerability_low", also=also)

    assert verdict.evidence["version"] == "10.0"


async def test_a_package_of_a_distribution_is_not_judged_by_its_version(baseline: Scan) -> None:
    also = {
        **LISTED,
        **NAMED,
        "operating_system_end_of_life": "its release shows, and is supported",
        "software_end_of_life": "so is the package",
        "known_vulnerability_critical": "as with the grave ones",
        "known_vulnerability_medium": "as with the grave ones",
        "known_vulnerability_low": KNOWN,
    }

    verdict = await expect_only(
        baseline,
        server("Apache/2.4.58 (Ubuntu)"),
        fires="known_vulnerability_high",
        becomes="not_tested",
        also={**also, "known_exploited_vulnerability": "as with the grave ones"},
    )

    assert verdict.fault == "source"
    assert "Ubuntu's package, which is mended without a new version" in verdict.reason


async def test_a_line_past_its_support(baseline: Scan) -> None:
    site = server("9.5.4", name="X-Umbraco-Version")

    verdict = await expect_only(baseline, site, fires="software_end_of_life", also=LISTED)

    assert verdict.reason == "Umbraco 9.5.4 has been without support since 2022-12-16"
    assert "x-umbraco-version" in verdict.reproduce


async def test_a_system_past_its_support(baseline: Scan) -> None:
    also = {**LISTED, **NAMED, **without_flaws_but()}

    verdict = await expect_only(baseline, server("Microsoft-IIS/7.5"), fires="operating_system_end_of_life", also=also)

    assert verdict.reason.startswith("Windows Server 2008 R2 SP1 has been without standard support since 2020-01-14")


async def test_a_vulnerable_library(baseline: Scan) -> None:
    site = loading("https://cdn.example/jquery-3.4.1.min.js")

    verdict = await expect_only(
        baseline,
        site,
        fires="javascript_library_vulnerable",
        also={**LISTED, "javascript_library_outdated": "its line is known"},
    )

    assert {flaw["id"] for flaw in verdict.evidence["flaws"]} == {"CVE-2020-11022", "CVE-2020-11023"}
    assert verdict.asset == "hardened.test:443"


async def test_a_library_that_names_itself_in_its_file(baseline: Scan) -> None:
    web = WebSpec().serve("/assets/app.js", "/*! jQuery v3.4.1 | (c) JS Foundation */", "text/javascript")

    verdict = await expect_only(
        baseline,
        replace(SITE, web=web),
        fires="javascript_library_vulnerable",
        also={**LISTED, "javascript_library_outdated": "its line is known"},
    )

    assert verdict.evidence["seen_in"] == "script"


async def test_an_abandoned_library(baseline: Scan) -> None:
    site = loading("https://cdn.example/ember-3.28.0.min.js")

    await expect_only(
        baseline,
        site,
        fires="javascript_library_outdated",
        also={**LISTED, "javascript_library_vulnerable": "it is known, and has no flaw"},
    )


async def test_a_vulnerable_plugin(baseline: Scan) -> None:
    style = '<link rel="stylesheet" href="/wp-content/plugins/duplicator/assets/style.css?ver=1.3.26">'
    site = replace(SITE, web=WebSpec(page=PAGE.replace("</head>", f"{style}</head>")))

    verdict = await expect_only(baseline, site, fires="cms_or_plugin_vulnerable", also=LISTED)

    assert verdict.evidence["flaws"] == [
        {
            "id": "CVE-2020-11738",
            "severity": "high",
            "affected": "<1.3.28",
            "cvss": 7.5,
            "exploited_since": "2021-11-03",
            "to_be_mended_by": "2022-05-03",
        }
    ]


async def test_an_edge_device_with_a_flawed_build(baseline: Scan) -> None:
    site = replace(SITE, web=WebSpec(page=PAGE.replace("<h1>A tidy shop</h1>", "<h1>RouterOS v6.42</h1>")))

    verdict = await expect_only(
        baseline,
        site,
        fires="edge_device_outdated",
        also={**LISTED, "software_end_of_life": "its line has ended too"},
    )

    assert verdict.evidence["flaws"][0]["exploited_since"]


async def test_the_list_of_what_shows(baseline: Scan) -> None:
    site = replace(
        server("nginx"),
        mail=MailSpec(smtp=SmtpSpec(greeting="220 mail.{name} ESMTP Postfix")),
    )

    verdict = await expect_only(baseline, site, fires="technology_inventory")

    assert verdict.reason == "it shows: nginx, Postfix"
    assert {entry["asset"] for entry in verdict.evidence["technologies"]} >= {
        "hardened.test:443",
        "mail.hardened.test:25",
    }


async def test_a_gateway_for_remote_access(baseline: Scan) -> None:
    site = replace(SITE, web=WebSpec(page=PAGE.replace("A tidy shop</title>", "GlobalProtect Portal</title>")))

    verdict = await expect_only(baseline, site, fires="vpn_gateway_detected", also=LISTED)

    assert verdict.evidence["product"] == "paloaltonetworks:pan-os"


async def test_a_delivery_network_in_front(baseline: Scan) -> None:
    site = server("8f2c-FRA", name="CF-Ray")

    await expect_only(baseline, site, fires="waf_not_detected", becomes="pass", also=LISTED)


async def test_a_web_server_that_hangs_keeps_its_software_to_itself() -> None:
    await expect_blocked(replace(SITE, web=WebSpec(behaviour="hangs")), checks=SOFTWARE)
