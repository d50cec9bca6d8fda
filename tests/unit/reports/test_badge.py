"""Badges, as pictures and as data."""

from typing import get_args
from xml.etree import ElementTree

import pytest

from services.reports.badge import COLOURS, GREY, Style, badge, svg
from tests.support.reports import SCANNED_AT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("style", get_args(Style))
def test_a_badge_is_one_picture_that_says_grade_and_score(style: Style) -> None:
    root = ElementTree.fromstring(svg(badge("example.com", "B", 81, SCANNED_AT), style))
    assert root.get("aria-label") == "security grade: B 81/100"
    assert [text.text for text in root.iter(f"{SVG}text")] == ["security grade", "B 81/100"]
    assert COLOURS["B"] in {rect.get("fill") for rect in root.iter(f"{SVG}rect")}


def test_the_styles_differ() -> None:
    shown = badge("example.com", "B", 81, SCANNED_AT)
    assert len({svg(shown, style) for style in get_args(Style)}) == 3


def test_a_domain_without_a_score_is_grey() -> None:
    shown = badge("example.com")
    assert (shown.message, shown.color, shown.grade, shown.score) == ("not scanned", GREY, None, None)
    assert GREY in svg(shown)


def test_the_data_follow_the_endpoint_schema() -> None:
    data = badge("example.com", "A", 97, SCANNED_AT).model_dump(mode="json")
    assert data == {
        "schemaVersion": 1,
        "label": "security grade",
        "message": "A 97/100",
        "color": COLOURS["A"],
        "domain": "example.com",
        "grade": "A",
        "score": 97,
        "scanned_at": "2026-11-24T09:30:00.000Z",
    }


def test_a_domain_of_any_form_is_not_in_the_picture() -> None:
    assert "<script" not in svg(badge("<script>alert(1)</script>"))
