"""The badge of a domain as SVG, and as JSON: shields.io's endpoint schema with our own fields beside it."""

from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.contracts.base import Contract, Timestamp
from shared.contracts.report import Grade

Style = Literal["flat", "plastic", "flat-square"]

LABEL = "security grade"
NOT_SCANNED = "not scanned"
GREY = "#6b7580"
COLOURS = MappingProxyType({"A": "#1f7a4d", "B": "#4c8a2b", "C": "#b8730a", "D": "#c2412d", "F": "#8c1c2f"})

_HEIGHT = 20
_PADDING = 12  # both sides of a text together
_NARROW = "fijlrt1 ./()"


class Badge(Contract):
    """What a badge says. Grade, score and time are null for a domain that has none to show."""

    schemaVersion: Literal[1] = 1  # noqa: N815  the name in shields.io's schema
    label: str = LABEL
    message: str
    color: str
    domain: str
    grade: Grade | None
    score: int | None
    scanned_at: Timestamp | None


def badge(
    domain: str, grade: Grade | None = None, score: int | None = None, scanned_at: datetime | None = None
) -> Badge:
    """The badge of `domain`; without a grade the grey one."""
    if grade is None or score is None:
        return Badge(message=NOT_SCANNED, color=GREY, domain=domain, grade=None, score=None, scanned_at=None)
    return Badge(
        message=f"{grade} {score}/100",
        color=COLOURS[grade],
        domain=domain,
        grade=grade,
        score=score,
        scanned_at=scanned_at,
    )


def svg(shown: Badge, style: Style = "flat") -> str:
    """The badge as SVG. Its texts are the label and a grade: nothing of a target's stands in it."""
    left, right = _width(shown.label), _width(shown.message)
    width = left + right
    radius = 0 if style == "flat-square" else 3
    title = f"{shown.label}: {shown.message}"
    shade = "" if style == "flat-square" else f'<rect width="{width}" height="{_HEIGHT}" fill="url(#s)"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{_gradient(style)}"
        f'<clipPath id="c"><rect width="{width}" height="{_HEIGHT}" rx="{radius}"/></clipPath>'
        f'<g clip-path="url(#c)"><rect width="{left}" height="{_HEIGHT}" fill="#444c55"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{shown.color}"/>{shade}</g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(shown.label, left / 2, left)}{_text(shown.message, left + right / 2, right)}</g></svg>"
    )


def _gradient(style: Style) -> str:
    if style == "flat-square":
        return ""
    light, dark = ("0.4", "0.3") if style == "plastic" else ("0.1", "0.1")
    return (
        '<linearGradient id="s" x2="0" y2="100%">'
        f'<stop offset="0" stop-color="#fff" stop-opacity="{light}"/>'
        f'<stop offset="1" stop-opacity="{dark}"/></linearGradient>'
    )


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - _PADDING}">{text}</text>'


def _width(text: str) -> int:
    """About the width of `text` in 11 px Verdana; `textLength` makes the rest fit."""
    return _PADDING + sum(4 if char in _NARROW else 7 for char in text)
