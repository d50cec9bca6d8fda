"""A hardened site and one that differs in one setting: which verdicts change between their scans?"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.scanner.engine import catalog, scan
from services.scanner.engine.check import Status, Verdict
from services.scanner.engine.judging import Judged, judge
from services.scanner.engine.network import World
from services.scanner.engine.target import parse
from tests.support.lab import Lab, Place, Site


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


async def scanned(site: Site, *others: Site) -> Scan:
    """Serve the site, and others that it refers to, in a lab of their own; scan it; stop the lab."""
    async with Lab() as lab:
        await lab.serve(site, *others)
        world = World.from_settings(lab.engine_settings(), "test")
        observations = await scan.observe(parse(site.name), scan.Options(), world)
        judged = {one.row.id: one for one in judge(observations, catalog.load())}
        bugs = [check_id for check_id, one in judged.items() if any(v.status == "error" for v in one.verdicts)]
        assert not bugs, f"exceptions in checks: {bugs}"
        return Scan(judged, lab.place(site.name))


async def expect_only(
    baseline: Scan,
    changed: Site,
    *others: Site,
    fires: str,
    becomes: Status = "fail",
    also: Mapping[str, str] | None = None,
) -> Verdict:
    """Scan `changed`: of all checks, `fires` alone turns into `becomes`, and those in `also` change for its reason.

    Gives the first verdict of `fires` that says so, for a look at its evidence.
    """
    scan = await scanned(changed, *others)
    before, after = baseline.statuses, scan.statuses
    assert before[fires] in ("pass", "not_applicable"), f"{fires} is {before[fires]} before the change already"
    assert after[fires] == becomes, f"{fires} became {after[fires]}: {_told(scan, fires)}"
    unexpected = {
        check_id: f"{before[check_id]} -> {status}: {_told(scan, check_id)}"
        for check_id, status in after.items()
        if status != before[check_id] and check_id != fires and check_id not in (also or {})
    }
    assert not unexpected, unexpected
    unchanged = [check_id for check_id in also or {} if before[check_id] == after[check_id]]
    assert not unchanged, f"named as changed, but they did not change: {unchanged}"
    verdict = scan.verdicts(fires, becomes)[0]
    if becomes == "fail":
        assert verdict.reproduce, "a finding says how to see it again"
    return verdict


def _told(scan: Scan, check_id: str) -> list[str]:
    return [f"{verdict.status} {verdict.asset}: {verdict.reason}" for verdict in scan.judged[check_id].verdicts]
