"""Which distribution built a package, by the marks that it leaves in a version or banner."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# A package revision that names its release outright.
_DEBIAN = re.compile(r"[+~.]deb(\d{1,2})(?:u\d+)?\b")
_UBUNTU = re.compile(r"(?i)ubuntu\.?0\.(\d\d\.\d\d)\b|~(\d\d\.\d\d)\.\d+\b")
_ENTERPRISE = re.compile(r"\.el(\d{1,2})(?:[._]|\b)")
_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (system, re.compile(pattern, re.IGNORECASE))
    for system, pattern in (
        ("ubuntu", r"\bubuntu|\dubuntu\d"),
        ("debian", r"\b(?:debian|raspbian)\b|\+deb\d|\bdebian-"),
        ("centos", r"\bcentos\b"),
        ("rhel", r"\bred ?hat\b|\bRHEL\b|\.el\d"),
        ("fedora", r"\bfedora\b|\.fc\d\d"),
        ("suse", r"\b(?:open)?suse\b"),
        ("almalinux", r"\balmalinux\b"),
        ("rocky", r"\brocky linux\b"),
        ("amazon", r"\bamazon linux\b|\.amzn\d"),
        ("oracle linux", r"\boracle linux\b"),
        ("gentoo", r"\bgentoo\b"),
        ("freebsd", r"\bfreebsd\b"),
    )
)
_WINDOWS = re.compile(r"(?i)\bwin(?:32|64|dows)\b|microsoft")


@dataclass(frozen=True, slots=True)
class Mark:
    system: str  # "ubuntu"; "" where nothing shows
    releases: tuple[str, ...] = ()  # "20.04"; several where the version fits several, () where it is not known


NONE = Mark("")


def mark(product: str, version: str, shown: str) -> Mark:
    """By the whole text that the version was read from."""
    system = next((name for name, pattern in _WORDS if pattern.search(shown)), "")
    if enterprise := _ENTERPRISE.search(shown):
        return Mark("centos" if system == "centos" else "rhel", (enterprise[1],))
    if named := _DEBIAN.search(shown):
        return Mark("debian", (named[1],))
    if system == "ubuntu" and (numbered := _UBUNTU.search(shown)):
        return Mark(system, (numbered[1] or numbered[2],))
    if product == "microsoft:internet_information_services":
        return Mark("windows", _shipped("windows", product, version))
    return Mark(system, _shipped(system, product, version)) if system else NONE


def platform(shown: str) -> str:
    """ "windows" where it says so."""
    return "windows" if _WINDOWS.search(shown) else ""


def product_of(system: str) -> tuple[str, str] | None:
    """The system as a product of the table of life cycles, and its name for people; None for one that is not in it."""
    found = _read()["systems"].get(system)
    return (found["product"], found["name"]) if found else None


def _shipped(system: str, product: str, version: str) -> tuple[str, ...]:
    return tuple(_read().get(system, {}).get(product, {}).get(version, ()))


@cache
def _read() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("distributions.toml").read_text("utf-8"))
