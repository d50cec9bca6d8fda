"""The tables as shipped, or newer ones that the operator had fetched."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from services.scanner.engine.facts import versions

Name = Literal["end_of_life", "exploited", "vulnerabilities", "javascript"]
NAMES: tuple[Name, ...] = get_args(Name)
Grade = Literal["critical", "high", "medium", "low"]
GRADES: tuple[Grade, ...] = get_args(Grade)

_log = logging.getLogger(__name__)
_folder: Path | None = None  # of fetched tables


class BadTable(ValueError):
    """What is wrong with a table, for the operator."""


@dataclass(frozen=True, slots=True)
class Table:
    """One file: facts by product ("apache:http_server") or by CVE."""

    name: Name
    date: date  # of the facts
    source: tuple[str, ...]
    licence: str
    rows: Mapping[str, Any]
    fetched: bool = False  # not the one shipped


@dataclass(frozen=True, slots=True)
class Cycle:
    """A line of releases and when its maker stops mending it."""

    name: str
    ends: date | bool  # True: ended, on an unknown day
    latest: str

    def ended(self, today: date) -> bool:
        return self.ends if isinstance(self.ends, bool) else self.ends < today


@dataclass(frozen=True, slots=True)
class Flaw:
    """A published vulnerability whose range a version lies in."""

    ids: tuple[str, ...]  # CVE, or GHSA where there is none
    score: float | None  # CVSS base score; None where only the grade is published
    grade: Grade
    bounds: str  # the range that matched
    exploited: str = ""  # since when CISA lists it, "2021-11-03"
    due: str = ""  # by when CISA wanted it mended

    @property
    def id(self) -> str:
        return self.ids[0]


def prefer(folder: Path) -> None:
    """Where newer tables may lie, read from now on; each takes the shipped one's place while its date is later."""
    global _folder
    _folder = folder
    _clear()


def forget() -> None:
    """Read the files again at the next use."""
    global _folder
    _folder = None
    _clear()


def _clear() -> None:
    for cached in (load, cycle, flaws, library_flaws):
        cached.cache_clear()


@cache
def load(name: Name) -> Table:
    """The newer of the shipped table and the fetched one; reading takes a few milliseconds, once."""
    shipped = parse(name, files(__package__).joinpath(f"{name}.json").read_bytes())
    if _folder is None:
        return shipped
    try:
        fetched = parse(name, (_folder / f"{name}.json").read_bytes(), fetched=True)
    except FileNotFoundError:
        return shipped
    except (OSError, BadTable):
        _log.exception("the fetched table %s cannot be used", name)
        return shipped
    return fetched if fetched.date > shipped.date else shipped


def parse(name: Name, data: bytes, *, fetched: bool = False) -> Table:
    """BadTable where it is no such table."""
    try:
        made = orjson.loads(data)
        table = Table(
            name,
            date.fromisoformat(made["date"]),
            tuple(str(source) for source in made["source"]),
            str(made["licence"]),
            made["rows"],
            fetched,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadTable(f"it is no table: {error}") from error
    if made.get("table") != name or not isinstance(table.rows, dict):
        raise BadTable(f"it is not the table {name}")
    return table


@lru_cache(maxsize=1024)
def cycle(product: str, version: str) -> Cycle | None:
    """The line of releases that the version belongs to; one older than all in the table has ended. None: not known."""
    rows = load("end_of_life").rows.get(product)
    if not rows or not version:
        return None
    named = {row[0]: row for row in rows}
    found = versions.cycle_of(version, tuple(named))
    if found:
        name, ends, latest = named[found]
        return Cycle(name, ends if isinstance(ends, bool) else date.fromisoformat(ends), latest)
    oldest = min(named, key=versions.key)
    stated = versions.precision(version)
    below = versions.key(version)[0][:stated] < versions.key(oldest)[0][:stated]
    return Cycle(version, ends=True, latest="") if below else None


def cycle_named(product: str, name: str) -> Cycle | None:
    """A line by its own name ("20.04", "2012-r2")."""
    row = next((row for row in load("end_of_life").rows.get(product, ()) if row[0] == name), None)
    return Cycle(row[0], row[1] if isinstance(row[1], bool) else date.fromisoformat(row[1]), row[2]) if row else None


def newest(product: str) -> str:
    """The latest release of the newest line; "" where the table has none."""
    rows = load("end_of_life").rows.get(product) or [["", True, ""]]
    return str(max((row[2] for row in rows), key=versions.key))


@lru_cache(maxsize=512)
def flaws(product: str, version: str, *, whole: bool = False, platform: str = "") -> tuple[Flaw, ...]:
    """Those that the version lies in the range of, gravest first."""
    exploited = load("exploited").rows
    found: list[Flaw] = []
    for cve, score, ranges, *only in load("vulnerabilities").rows.get(product, ()):
        if only and only[0] != platform:
            continue
        bounds = next((bounds for bounds in ranges if versions.within(version, bounds, whole=whole)), None)
        if bounds is not None:
            number = score if isinstance(score, float) else None
            grade = grade_of(number) if number is not None else score
            found.append(Flaw((cve,), number, grade, bounds, *exploited.get(cve, ("", ""))))
    return tuple(sorted(found, key=lambda flaw: (GRADES.index(flaw.grade), -(flaw.score or 0))))


@lru_cache(maxsize=512)
def library_flaws(product: str, version: str) -> tuple[Flaw, ...]:
    """The same for a library that runs in the browser."""
    exploited = load("exploited").rows
    rows = load("javascript").rows.get(product, {"flaws": ()})["flaws"]
    found = [
        Flaw(tuple(ids), None, grade, bounds, *next((exploited[one] for one in ids if one in exploited), ("", "")))
        for ids, grade, ranges in rows
        if (bounds := next((bounds for bounds in ranges if versions.within(version, bounds)), None)) is not None
    ]
    return tuple(sorted(found, key=lambda flaw: GRADES.index(flaw.grade)))


def library_unsupported(product: str, version: str) -> bool:
    """Whether its makers said that this line gets no more fixes."""
    rows = load("javascript").rows.get(product, {"unsupported": ()})["unsupported"]
    return any(versions.within(version, bounds) for bounds in rows)


def grade_of(score: float) -> Grade:
    """CVSS v3.1 section 5, the qualitative severity rating scale."""
    return "critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 4 else "low"
