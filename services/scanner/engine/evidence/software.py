"""The software that shows at the target's hosts, with its versions."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class Technology:
    """A product at one place. `version` is its maker's; `shown` is the text that gave both away."""

    asset: str  # "www.example.com:443"
    product: str  # "apache:http_server", vendor and product as in a CPE name
    name: str
    kind: str  # "web server", "library", "edge device", ...
    version: str  # "" where it does not show
    place: str  # "server header", "banner", "script address", ...
    shown: str
    reproduce: str  # a shell command that shows it again
    certainty: Literal["confirmed", "inferred"] = "confirmed"  # that it is this product
    system: str = ""  # "ubuntu": whose package it is, where that shows
    releases: tuple[str, ...] = ()  # of that system, which the version fits: "20.04"
    platform: str = ""  # "windows", where that shows
    whole: bool = False  # what the version leaves out is 0
    gateway: bool = False  # it lets people into a network from outside
    protects: bool = False  # it stands before a site and filters requests


@dataclass(frozen=True, slots=True)
class Hidden:
    """A place that could not be looked at for software."""

    asset: str
    reason: Unseen


@dataclass(frozen=True, slots=True)
class Software:
    domain: str
    seen_on: date  # UTC
    technologies: tuple[Technology, ...]
    looked_at: tuple[str, ...]  # the assets that answered
    hidden: tuple[Hidden, ...]
