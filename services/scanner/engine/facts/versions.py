"""Comparing versions as their makers order them: 1.0.2k, 9.6p1, 1.3.5rc3, 2.4.6-P2, 10.1.6-h3, 15.2(1)118."""

import re
from functools import lru_cache
from itertools import takewhile

Key = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]

_WIDTH = 6  # numbers that are compared; those that a version lacks are 0
_PARTS = re.compile(r"\d+|[a-z]+")
_NUMBER_FIRST = re.compile(r"\d")
# Words that say "not yet that version"; a and b only with a number behind (1.9.0b1), else they are patches (1.3.5b).
_BEFORE = {
    **dict.fromkeys(("dev", "snapshot", "nightly", "canary", "pre", "preview"), 1),
    **dict.fromkeys(("alpha", "a"), 2),
    **dict.fromkeys(("beta", "b"), 3),
    **dict.fromkeys(("milestone", "m"), 4),
    **dict.fromkeys(("rc", "cr"), 5),
}
_NEEDS_NUMBER = frozenset({"a", "b", "m"})
_END = (0, 0, "")  # no tag: later than "rc1", earlier than "p1"


@lru_cache(maxsize=4096)
def key(version: str) -> Key:
    """For comparing. Leading numbers first, then tags: those of pre-releases below none, all others above."""
    parts = _PARTS.findall(version.lower().lstrip("v")[:80])
    numbers = [int(part[:9]) for part in takewhile(lambda part: part[0].isdigit(), parts)]
    rest = parts[len(numbers) :]
    tags: list[tuple[int, int, str]] = []
    for index, part in enumerate(rest):
        if part[0].isdigit():
            tags.append((2, int(part[:9]), ""))
        elif part in _BEFORE and (part not in _NEEDS_NUMBER or rest[index + 1 : index + 2]):
            tags.append((-1, _BEFORE[part], ""))
        else:
            tags.append((1, 0, part))
    return (*numbers, *(0,) * _WIDTH)[:_WIDTH], (*tags, _END)


def precision(version: str) -> int:
    """How many numbers it states: 2 for "2.4"; 0 where it is no version."""
    parts = _PARTS.findall(version.lower().lstrip("v"))
    return sum(1 for _ in takewhile(lambda part: part[0].isdigit(), parts))


def is_version(text: str) -> bool:
    return bool(_NUMBER_FIRST.match(text.lstrip("vV")))


@lru_cache(maxsize=8192)
def _bounds(text: str) -> tuple[tuple[str, str], ...]:
    """ ">=2.4.0 <2.4.26" as pairs of comparison and version."""
    pairs = []
    for word in text.split():
        comparison = word[: 2 if word[1:2] == "=" else 1]
        pairs.append((comparison, word[len(comparison) :]))
    return tuple(pairs)


def within(version: str, bounds: str, *, whole: bool = False) -> bool:
    """Whether it lies within bounds such as ">=2.4.0 <2.4.26" (also <=, >, =), all of which must hold.

    A version that states less than a bound ("2.4" against "<2.4.26") may lie on either side, and is not within; with
    `whole`, what it leaves out is 0.
    """
    return all(_holds(version, comparison, bound, whole) for comparison, bound in _bounds(bounds))


def _holds(version: str, comparison: str, bound: str, whole: bool) -> bool:
    ours, theirs = key(version), key(bound)
    stated = precision(version)
    if not whole and stated < precision(bound) and ours[0][:stated] == theirs[0][:stated] and ours[1] == (_END,):
        return False
    match comparison:
        case "<":
            return ours < theirs
        case "<=":
            return ours <= theirs
        case ">":
            return ours > theirs
        case ">=":
            return ours >= theirs
        case _:
            return ours == theirs


def cycle_of(version: str, cycles: tuple[str, ...]) -> str | None:
    """The cycle that the version belongs to: the longest that it begins with, number by number ("8.1" of 8.1.27)."""
    numbers = key(version)[0]
    stated = precision(version)
    found = ""
    for cycle in cycles:
        length = precision(cycle)
        if length <= stated and key(cycle)[0][:length] == numbers[:length] and length > precision(found):
            found = cycle
    return found or None
