"""Software in use: the list of it, what is past its support, and what stands before a site."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.software import Software, Technology
from services.scanner.engine.facts import distributions, tables

CONTENT = frozenset({"content management", "shop", "plugin", "community", "webmail"})
LIBRARY = frozenset({"library"})
EDGE = frozenset({"edge device"})
_LISTED = 100
_NAMED = 12

Judge = Callable[[Technology], Verdict | None]  # None: nothing is known of the product


@check("technology_inventory")
def technology_inventory(software: Software) -> Iterator[Verdict]:
    found = software.technologies[:_LISTED]
    if found:
        names = list(dict.fromkeys(described(one) for one in software.technologies))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield failed(
            software.domain,
            f"it shows: {', '.join(names[:_NAMED])}{more}",
            reproduce=found[0].reproduce,
            products=names[:_LISTED],
            technologies=[_listed(one) for one in found],
        )
    elif software.looked_at:
        yield not_applicable(software.domain, "no product that is known shows")
    yield from hidden(software)


@check("software_end_of_life")
def software_end_of_life(software: Software) -> Iterator[Verdict]:
    def judge(one: Technology) -> Verdict | None:
        cycle = tables.cycle(one.product, one.version)
        if cycle is None:
            return None
        state = maintenance(one, software.seen_on)
        facts: dict[str, Any] = {**observed(one), "line": cycle.name, "ends": _day(cycle.ends), **dated("end_of_life")}
        if not cycle.ended(software.seen_on) or state == "supported":
            return passed(one.asset, **facts)
        if state == "unknown":
            reason = f"{described(one)} is {system(one)}'s package; how long that is supported does not show"
            return not_tested(one.asset, Unseen(reason, "source"))
        ended = f" since {_day(cycle.ends)}" if isinstance(cycle.ends, date) else ""
        reason = f"{described(one)} has been without support{ended}" if ended else f"{described(one)} is not supported"
        return found(one, reason, latest=cycle.latest, **facts)

    return on_versions(software, judge, without=LIBRARY)


@check("operating_system_end_of_life")
def operating_system_end_of_life(software: Software) -> Iterator[Verdict]:
    """A host is said to be past support only where every sign of its release that it shows says so."""
    by_host: dict[str, list[Technology]] = {}
    for one in software.technologies:
        if distributions.product_of(one.system) and one.releases:
            by_host.setdefault(one.asset.rpartition(":")[0], []).append(one)
    for host, signs in by_host.items():
        kept = [one for one in signs if not released_long_ago(one, software.seen_on)]
        if kept:
            yield passed(host, **_system(kept[0]), **dated("end_of_life"))
            continue
        one = signs[0]
        cycles = [cycle for cycle in _cycles(one) if cycle]
        day = max((_day(cycle.ends) for cycle in cycles), default="")
        reason = f"{' or '.join(_releases(one))} has been without standard support since {day}"
        yield failed(
            host,
            f"{reason}; a paid extension of it does not show from outside",
            reproduce=one.reproduce,
            subject=_releases(one)[0],
            confidence="inferred",
            **_system(one),
            ends=day,
            **dated("end_of_life"),
        )
    if not by_host and software.looked_at:
        yield not_applicable(software.domain, "no release of an operating system shows")
    yield from hidden(software)


@check("waf_not_detected")
def waf_not_detected(software: Software) -> Iterator[Verdict]:
    """Never a failure: a protection may show nothing of itself."""
    names = list(dict.fromkeys(one.name for one in software.technologies if one.protects))
    if names:
        yield passed(software.domain, f"it stands behind {', '.join(names)}", products=names)
    elif software.looked_at:
        yield not_applicable(software.domain, "no protection shows; one that shows nothing may be there")
    else:
        yield from hidden(software)


def on_versions(
    software: Software, judge: Judge, *, kinds: Collection[str] = (), without: Collection[str] = ()
) -> Iterator[Verdict]:
    """`judge` what shows a version: the failures of an asset, else what could not be told, else one pass."""
    by_asset: dict[str, list[Verdict]] = {}
    known = [one for one in software.technologies if one.kind not in without and (not kinds or one.kind in kinds)]
    for one in known:
        verdict = judge(one) if one.version else None
        if verdict:
            by_asset.setdefault(one.asset, []).append(verdict)
    for verdicts in by_asset.values():
        failures = [verdict for verdict in verdicts if verdict.status == "fail"]
        yield from failures or [next((one for one in verdicts if one.status == "not_tested"), verdicts[0])]
    if not by_asset and software.looked_at:
        yield not_applicable(software.domain, _nothing(known))
    yield from hidden(software)


def _nothing(known: Collection[Technology]) -> str:
    if not known:
        return "no such software shows"
    return f"no version shows that the tables know: {', '.join(dict.fromkeys(described(one) for one in known))}"[:300]


def hidden(software: Software) -> Iterator[Verdict]:
    for place in software.hidden:
        yield not_tested(place.asset, place.reason)


def found(one: Technology, reason: str, **evidence: Any) -> Verdict:
    """A failure that rests on a version alone."""
    note = ""
    if one.system and one.system != "windows":
        note = f"; it is {system(one)}'s package, of a release that gets no more fixes"
    return failed(
        one.asset,
        f"{reason}{note}",
        reproduce=one.reproduce,
        subject=one.name,
        confidence="inferred",
        **evidence,
    )


def maintenance(one: Technology, today: date) -> str:
    """Whether a distribution keeps its package mended: "supported", "ended", "unknown"; "" where it is nobody's."""
    if not one.system or one.system == "windows":
        return ""
    if not one.releases or not distributions.product_of(one.system):
        return "unknown"
    return "ended" if released_long_ago(one, today) else "supported"


def released_long_ago(one: Technology, today: date) -> bool:
    """Whether each release of the system that the package fits is past its support."""
    return all(cycle is not None and cycle.ended(today) for cycle in _cycles(one))


def _cycles(one: Technology) -> list[tables.Cycle | None]:
    known = distributions.product_of(one.system)
    return [tables.cycle_named(known[0], release) for release in one.releases] if known else []


def system(one: Technology) -> str:
    known = distributions.product_of(one.system)
    return known[1] if known else one.system.title()


def described(one: Technology) -> str:
    return f"{one.name} {one.version}".strip()


def observed(one: Technology) -> dict[str, Any]:
    facts = {"product": one.product, "version": one.version, "seen_in": one.place, "shown": one.shown}
    return {**facts, "package_of": " or ".join(_releases(one))} if one.system else facts


def dated(*names: tables.Name) -> dict[str, Any]:
    """The tables that a verdict rests on, each with the day of its facts."""
    return {"facts": {name: tables.load(name).date.isoformat() for name in names}}


def _releases(one: Technology) -> list[str]:
    names = [f"{system(one)} {release.replace('-', ' ').upper()}" for release in one.releases]
    return names or [system(one)]


def _system(one: Technology) -> dict[str, Any]:
    return {"system": _releases(one), "seen_in": one.place, "shown": one.shown}


def _listed(one: Technology) -> dict[str, Any]:
    return {
        "asset": one.asset,
        "product": one.product,
        "name": one.name,
        "version": one.version,
        "kind": one.kind,
        "seen_in": one.place,
        "shown": one.shown,
        "certainty": one.certainty,
    }


def _day(ends: date | bool) -> str:
    return ends.isoformat() if isinstance(ends, date) else "an unknown day" if ends else "open"


def cves(flaws: Iterable[tables.Flaw]) -> list[dict[str, Any]]:
    """At most twenty, gravest first."""
    listed = []
    for flaw in list(flaws)[:20]:
        entry: dict[str, Any] = {"id": flaw.id, "severity": flaw.grade, "affected": flaw.bounds}
        if flaw.score is not None:
            entry["cvss"] = flaw.score
        if flaw.exploited:
            entry["exploited_since"] = flaw.exploited  # when CISA put it on its list
            entry["to_be_mended_by"] = flaw.due
        listed.append(entry)
    return listed
