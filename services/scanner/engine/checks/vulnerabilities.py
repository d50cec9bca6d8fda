"""Published flaws of the versions in use.

Each flaw of a product is told once: of libraries in javascript_library_vulnerable, of content management and its
plugins in cms_or_plugin_vulnerable, of edge devices in edge_device_outdated; of all other software those that CISA
lists as exploited in known_exploited_vulnerability, and the rest by CVSS in known_vulnerability_*.
"""

from collections.abc import Callable, Iterator

from services.scanner.engine.check import Verdict, check, failed, not_tested, passed
from services.scanner.engine.checks.software import (
    CONTENT,
    EDGE,
    LIBRARY,
    cves,
    dated,
    described,
    found,
    hidden,
    maintenance,
    observed,
    on_versions,
    system,
)
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.software import Software, Technology
from services.scanner.engine.facts import tables, versions
from services.scanner.engine.facts.tables import Flaw

_ELSEWHERE = CONTENT | EDGE | LIBRARY
_Counts = Callable[[Flaw], bool]


@check("known_exploited_vulnerability")
def known_exploited_vulnerability(software: Software) -> Iterator[Verdict]:
    return _flawed(software, lambda flaw: bool(flaw.exploited), without=_ELSEWHERE)


@check("known_vulnerability_critical")
def known_vulnerability_critical(software: Software) -> Iterator[Verdict]:
    return _flawed(software, _graded("critical"), without=_ELSEWHERE)


@check("known_vulnerability_high")
def known_vulnerability_high(software: Software) -> Iterator[Verdict]:
    return _flawed(software, _graded("high"), without=_ELSEWHERE)


@check("known_vulnerability_medium")
def known_vulnerability_medium(software: Software) -> Iterator[Verdict]:
    return _flawed(software, _graded("medium"), without=_ELSEWHERE)


@check("known_vulnerability_low")
def known_vulnerability_low(software: Software) -> Iterator[Verdict]:
    return _flawed(software, _graded("low"), without=_ELSEWHERE)


@check("cms_or_plugin_vulnerable")
def cms_or_plugin_vulnerable(software: Software) -> Iterator[Verdict]:
    return _flawed(software, lambda flaw: True, kinds=CONTENT)


@check("edge_device_outdated")
def edge_device_outdated(software: Software) -> Iterator[Verdict]:
    return _flawed(software, lambda flaw: True, kinds=EDGE)


@check("javascript_library_vulnerable")
def javascript_library_vulnerable(software: Software) -> Iterator[Verdict]:
    def judge(one: Technology) -> Verdict | None:
        if one.product not in tables.load("javascript").rows:
            return None
        flaws = tables.library_flaws(one.product, one.version)
        facts = {**observed(one), **dated("javascript", "exploited")}
        if flaws:
            return found(one, _told(one, flaws), flaws=cves(flaws), count=len(flaws), **facts)
        return passed(one.asset, **facts)

    return on_versions(software, judge, kinds=LIBRARY | {"framework"})


@check("javascript_library_outdated")
def javascript_library_outdated(software: Software) -> Iterator[Verdict]:
    """What has published flaws is told of by the other check."""

    def judge(one: Technology) -> Verdict | None:
        cycle = tables.cycle(one.product, one.version)
        abandoned = tables.library_unsupported(one.product, one.version)
        if cycle is None and not abandoned:
            return None
        facts = {**observed(one), "newest": tables.newest(one.product), **dated("end_of_life", "javascript")}
        ended = abandoned or (cycle is not None and cycle.ended(software.seen_on))
        if ended and not tables.library_flaws(one.product, one.version):
            return found(one, f"{described(one)} is of a line that gets no more fixes", **facts)
        return passed(one.asset, **facts)

    return on_versions(software, judge, kinds=LIBRARY)


@check("vpn_gateway_detected")
def vpn_gateway_detected(software: Software) -> Iterator[Verdict]:
    gateways = [one for one in software.technologies if one.gateway]
    for one in gateways:
        yield failed(
            one.asset,
            f"{one.name} lets people into a network from here",
            reproduce=one.reproduce,
            subject=one.name,
            confidence=one.certainty,
            **observed(one),
        )
    if not gateways and software.looked_at:
        yield passed(software.domain, "no gateway that is known shows", looked_at=list(software.looked_at[:20]))
    yield from hidden(software)


def _graded(grade: str) -> _Counts:
    return lambda flaw: not flaw.exploited and flaw.grade == grade


def _flawed(
    software: Software, counts: _Counts, *, kinds: frozenset[str] = frozenset(), without: frozenset[str] = frozenset()
) -> Iterator[Verdict]:
    def judge(one: Technology) -> Verdict | None:
        if one.product not in tables.load("vulnerabilities").rows or not versions.precision(one.version):
            return None
        flaws = [
            flaw
            for flaw in tables.flaws(one.product, one.version, whole=one.whole, platform=one.platform)
            if counts(flaw)
        ]
        facts = {**observed(one), **dated("vulnerabilities", "exploited")}
        if not flaws:
            return passed(one.asset, **facts)
        if maintenance(one, software.seen_on) in ("supported", "unknown"):
            return not_tested(one.asset, Unseen(_packaged(one, flaws), "source"))
        return found(one, _told(one, flaws), flaws=cves(flaws), count=len(flaws), **facts)

    return on_versions(software, judge, kinds=kinds, without=without)


def _told(one: Technology, flaws: tuple[Flaw, ...] | list[Flaw]) -> str:
    named = ", ".join(flaw.id for flaw in flaws[:3])
    more = f" and {len(flaws) - 3} more" if len(flaws) > 3 else ""
    return f"{described(one)} may have {named}{more}, going by its version"


def _packaged(one: Technology, flaws: list[Flaw]) -> str:
    named = ", ".join(flaw.id for flaw in flaws[:3])
    more = f" and {len(flaws) - 3} more" if len(flaws) > 3 else ""
    return (
        f"{described(one)} is {system(one)}'s package, which is mended without a new version: "
        f"whether {named}{more} are does not show"
    )
