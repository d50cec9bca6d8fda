"""The named sites of the lab: what a scan of each comes to, and the lab as a process of its own."""

import asyncio
import shlex
import signal
import sys
import time
from pathlib import Path

import dns.asyncquery
import dns.message
import pytest

from services.scanner.engine import scan
from services.scanner.engine.network import World
from services.scanner.engine.target import parse
from shared.contracts.report import Report
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.world import NOWHERE, dark, hostile, neglected

ROOT = Path(__file__).parents[3]


async def scanned(name: str, *sites: Site, timeout: float = 45.0) -> Report:
    """The report of a scan in which nothing of ours failed."""
    async with Lab() as lab:
        await lab.serve(*sites)
        options = scan.Options(timeout=timeout)
        report = (await scan.run(parse(name), options, World.from_settings(lab.engine_settings(), "test"))).report
    missing = [entry for module in report.modules.values() for entry in module.not_tested]
    assert not [entry for entry in missing if entry.status == "error" or "an error of ours" in entry.reason]
    return report


async def test_the_hardened_site_is_an_a_without_a_finding() -> None:
    report = await scanned("hardened.test", hardened("hardened.test"))
    assert (report.grade, report.coverage, report.issues) == ("A", 1.0, ())


async def test_the_neglected_site_has_findings_in_every_module() -> None:
    report = await scanned("neglected.test", neglected("neglected.test"))
    assert report.grade == "F"
    assert len(report.issues) >= 40
    assert [name for name, module in report.modules.items() if not module.issues] == []


@pytest.mark.parametrize("site", hostile("hostile.test"), ids=["hangs", "garbage"])
async def test_a_site_that_is_hostile_at_every_port_costs_no_more_than_the_scans_time(site: Site) -> None:
    started = time.monotonic()
    report = await scanned(site.name, site, timeout=5.0)
    assert time.monotonic() - started < 11
    assert report.grade == "F"
    assert report.coverage < 1
    withheld = {entry.fault for module in report.modules.values() for entry in module.not_tested}
    assert "target" in withheld


@pytest.mark.parametrize(
    ("name", "reason"), [("dark.test", "answers on no web and no mail port"), (NOWHERE, "does not resolve")]
)
async def test_there_is_nothing_to_scan(name: str, reason: str) -> None:
    with pytest.raises(scan.ScanFailed, match=reason):
        await scanned(name, dark("dark.test"))


async def test_a_site_gets_worse_while_it_is_served() -> None:
    async with Lab() as lab:
        await lab.serve(hardened("shop.test"))
        world = World.from_settings(lab.engine_settings(), "test")
        before = (await scan.run(parse("shop.test"), scan.Options(), world)).report
        await lab.change(neglected("shop.test"))
        after = (await scan.run(parse("shop.test"), scan.Options(), world)).report
    assert (before.grade, after.grade) == ("A", "F")


async def test_two_labs_at_once_do_not_meet() -> None:
    async with Lab() as one, Lab() as other:
        assert not one.network.overlaps(other.network)


async def test_the_lab_as_a_process_says_how_to_scan_it() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.lab", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    settings = {}
    async with asyncio.timeout(30):
        while (line := (await process.stdout.readline()).decode()) and "Ctrl-C" not in line:
            word, *rest = shlex.split(line) or [""]
            if word == "export":
                name, _, value = rest[0].partition("=")
                settings[name] = value
    address, _, port = settings["CL_DNS_SERVERS"].partition(":")
    answer = await dns.asyncquery.udp(dns.message.make_query("neglected.test", "A"), address, 5, int(port))
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert answer.answer
    assert not Path(settings["CL_TRUST_CA_FILE"]).exists()
