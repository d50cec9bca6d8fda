"""A hardened site and one that differs in one setting: which verdicts change between their scans?"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from services.scanner.engine import catalog, scan
from services.scanner.engine.check import Status, Verdict
from services.scanner.engine.judging import Judged, judge
from services.scanner.engine.network import World
from services.scanner.engine.target import parse
from shared.contracts.report import Module
from tests.integration.engine import record
from tests.support.lab import Lab, Place, Site

Signatures = Literal["passed", "stripped", "refused"]  # what the resolver makes of those of DNSSEC
SOFTWARE = frozenset(row.id for row in catalog.load().checks.values() if row.module == Module.TECH_STACK) | {
    "waf_not_detected",
    "vpn_gateway_detected",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of a site came to, by check, and where the site was."""

    judged: Mapping[str, Judged]
    place: Place

    @property
    def statuses(self) -> dict[str, str]:
        return {check_id: judged.status for check_id, judged in self.judged.items()}

    def verdicts(self, check_id: str, status: Status) -> list[Verdict]:
        return [verdict for verdict in self.judged[check_id].verdicts if verdict.status == status]


async def scanned(site: Site, *others: Site, resolver: Signatures = "passed") -> Scan:
    """Serve the site, and others that it refers to, in a lab of their own; scan it with every check; stop the lab."""
    async with Lab() as lab:
        lab.resolver.dnssec = resolver
        await lab.serve(site, *others)
        world = replace(World.from_settings(lab.engine_settings(), "test"), dns_lifetime=8.0)
        world.sources.patience = 30.0  # a machine that runs tests may be busy
        observations = await scan.observe(parse(site.name), scan.Options(intrusive=True), world)
        judged = {one.row.id: one for one in judge(observations, catalog.load())}
        bugs = [check_id for check_id, one in judged.items() if any(v.status == "error" for v in one.verdicts)]
        assert not bugs, f"exceptions in checks: {bugs}"
        return Scan(judged, lab.place(site.name))


async def scanned_in_peace(site: Site, *others: Site, blind: Collection[str], resolver: Signatures = "passed") -> Scan:
    """Once more, twice at most, where checks could not look that nothing but a busy machine keeps from looking.

    `blind`: the checks that may be not tested.
    """
    for _ in range(2):
        with suppress(scan.ScanFailed):
            seen = await scanned(site, *others, resolver=resolver)
            if all(status != "not_tested" or check_id in blind for check_id, status in seen.statuses.items()):
                return seen
    return await scanned(site, *others, resolver=resolver)


async def expect_only(
    baseline: Scan,
    changed: Site,
    *others: Site,
    fires: str,
    becomes: Status = "fail",
    also: Mapping[str, str] | None = None,
) -> Verdict:
    """Scan `changed`: of all checks, `fires` alone turns into `becomes`, and those in `also` change for its reason.

    What the checks of software make of a banner or a blocked service that a test of something else needs is not said
    here: they have tests of their own (test_tech_stack_live.py), in which they are held to the same.
    Gives the first verdict of `fires` that says so, for a look at its evidence.
    """
    before = baseline.statuses
    side = {} if fires in SOFTWARE else dict.fromkeys(SOFTWARE, "it judges whatever software shows")
    blind = {*side, *(also or {}), *_untested(before), *((fires,) if becomes == "not_tested" else ())}
    scan = await scanned_in_peace(changed, *others, blind=blind)
    after = scan.statuses
    record.keep(_outcomes(before, after, fires, becomes, {**side, **(also or {})}))
    assert before[fires] in ("pass", "not_applicable"), f"{fires} is {before[fires]} before the change already"
    assert after[fires] == becomes, f"{fires} became {after[fires]}: {_told(scan, fires)}"
    unexpected = {
        check_id: f"{before[check_id]} -> {status}: {_told(scan, check_id)}"
        for check_id, status in after.items()
        if status != before[check_id] and check_id != fires and check_id not in {**side, **(also or {})}
    }
    assert not unexpected, unexpected
    unchanged = [check_id for check_id in also or {} if before[check_id] == after[check_id]]
    assert not unchanged, f"named as changed, but they did not change: {unchanged}"
    verdict = scan.verdicts(fires, becomes)[0]
    if becomes == "fail":
        assert verdict.reproduce, "a finding says how to see it again"
    return verdict


async def expect_blocked(
    site: Site,
    *others: Site,
    checks: Collection[str],
    baseline: Scan | None = None,
    also: Mapping[str, str] | None = None,
    resolver: Signatures = "passed",
) -> Scan:
    """Scan a site that keeps these checks from looking: each is not tested.

    With the `baseline` that the site differs from in this alone, every other check has to say what it says there, but
    those in `also` for its reason, and those of software.
    """
    before = {} if baseline is None else baseline.statuses
    blind = {*checks, *SOFTWARE, *(also or ()), *(_untested(before) if baseline else catalog.load().checks)}
    scan = await scanned_in_peace(site, *others, blind=blind, resolver=resolver)
    record.keep(record.expected(check_id, "not_tested", scan.statuses[check_id]) for check_id in checks)
    told = {check_id: _told(scan, check_id) for check_id in checks if scan.statuses[check_id] != "not_tested"}
    rest = {
        check_id: status for check_id, status in before.items() if check_id not in {*checks, *SOFTWARE, *(also or ())}
    }
    record.keep(record.expected(check_id, status, scan.statuses[check_id]) for check_id, status in rest.items())
    changed = {
        check_id: f"{status} -> {scan.statuses[check_id]}: {_told(scan, check_id)}"
        for check_id, status in rest.items()
        if scan.statuses[check_id] != status
    }
    assert not told | changed, told | changed
    unchanged = [check_id for check_id in also or () if scan.statuses[check_id] == before[check_id]]
    assert not unchanged, f"named as changed, but they did not change: {unchanged}"
    return scan


def _untested(statuses: Mapping[str, str]) -> Iterable[str]:
    return (check_id for check_id, status in statuses.items() if status == "not_tested")


def _outcomes(
    before: Mapping[str, str], after: Mapping[str, str], fires: str, becomes: Status, also: Mapping[str, str]
) -> Iterable[record.Outcome]:
    """Those in `also` are left out: that they change is declared, but not to what."""
    for check_id, said in after.items():
        if check_id == fires:
            yield record.expected(check_id, becomes, said)
        elif check_id not in also:
            yield record.expected(check_id, before[check_id], said)


def _told(scan: Scan, check_id: str) -> list[str]:
    return [f"{verdict.status} {verdict.asset}: {verdict.reason}" for verdict in scan.judged[check_id].verdicts]
