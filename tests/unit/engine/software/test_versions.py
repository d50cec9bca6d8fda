"""Versions compare as their makers order them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.facts import versions

IN_ORDER = [
    ("0.9.8zh", "1.0.0a", "1.0.1", "1.0.1g", "1.0.2k", "1.0.2zg", "1.1.0", "1.1.0a", "1.1.1", "1.1.1w", "3.0.0"),
    ("3.0.0-alpha1", "3.0.0-beta2", "3.0.0", "3.0.0-fips", "3.0.1"),
    ("8.9p1", "9.3p1", "9.3p2", "9.6", "9.6p1", "9.9p1", "9.9p2", "10.0p1"),
    ("1.3.5rc3", "1.3.5", "1.3.5a", "1.3.5e", "1.3.6", "1.3.6b", "1.3.8", "1.3.8c"),
    ("1.9.0a1", "1.9.0b1", "1.9.0rc1", "1.9.0", "1.10.0"),
    ("9.0.0.M1", "9.0.0.M21", "9.0.0", "9.0.1"),
    ("4.92-RC3", "4.92", "4.92.3", "4.94.2"),
    ("9.11.4", "9.11.4-P2", "9.11.5"),
    ("22.6R2.1", "22.7R1.9", "22.7R2", "22.7R2.5", "22.7R2.6"),
    ("10.1.6", "10.1.6-h3", "10.1.6-h6", "10.1.7"),
    ("15.2.792.3", "15.2.792.13", "15.2.1118.7", "15.2.2562.46"),
    ("2016.74", "2019.78", "2022.83"),
]


@pytest.mark.parametrize("ordered", IN_ORDER, ids=lambda ordered: ordered[0])
def test_order(ordered: tuple[str, ...]) -> None:
    assert sorted(ordered, key=versions.key) == list(ordered)
    assert len({versions.key(version) for version in ordered}) == len(ordered)


@pytest.mark.parametrize(("one", "other"), [("2.0", "2.0.0"), ("v3.4.1", "3.4.1"), ("1.2.3-RC1", "1.2.3rc1")])
def test_the_same(one: str, other: str) -> None:
    assert versions.key(one) == versions.key(other)


@pytest.mark.parametrize(
    ("version", "bounds", "inside"),
    [
        ("2.4.49", ">=2.4.49 <2.4.50", True),
        ("2.4.50", ">=2.4.49 <2.4.50", False),
        ("2.4.48", ">=2.4.49 <2.4.50", False),
        ("1.1.1k", ">=1.1.1 <1.1.1l", True),
        ("9.9p1", ">=9.5 <9.9p2", True),
        ("2.3.4", "=2.3.4", True),
        ("2.2.34", "<=2.2.34", True),
        ("2.4", ">=2.4.0 <2.4.26", False),  # either side is possible
        ("7", ">=7.0 <7.58", False),
        ("2.2", ">=2.4.0 <2.4.26", False),
        ("1.2", "<2.4.26", True),
    ],
)
def test_bounds(version: str, bounds: str, inside: bool) -> None:
    assert versions.within(version, bounds) is inside


def test_a_whole_version_leaves_nothing_open() -> None:
    assert versions.within("4.92", "<4.92.2", whole=True)
    assert not versions.within("4.92", ">=4.92.1 <4.92.2", whole=True)


@pytest.mark.parametrize(
    ("version", "cycle"), [("8.1.27", "8.1"), ("8.10.2", None), ("7.4.33", "7"), ("7", "7"), ("8", None), ("x", None)]
)
def test_the_cycle_is_the_longest_that_fits(version: str, cycle: str | None) -> None:
    assert versions.cycle_of(version, ("8.1", "8.2", "7")) == cycle


@given(st.text(max_size=200))
def test_any_text_has_a_place(text: str) -> None:
    assert versions.key(text) == versions.key(text)
    versions.within(text, ">=1.0 <2.0")
    assert versions.precision(text) >= 0
