"""The plans: what each allows and what it costs. Data, in `plans.toml`."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from shared.contracts.base import Contract


class Limits(Contract):
    """What an account may do."""

    scans_per_month: int
    domains: int
    pdf: bool
    requests_per_minute: int
    requests_per_hour: int
    requests_per_day: int
    scans_at_once: int
    history_days: int


class Plan(Contract):
    name: str
    title: str
    stripe_price: str | None = None
    monthly_price_cents: int = 0
    limits: Limits


Plans = Mapping[str, Plan]


def load_plans(path: Path | None = None) -> Plans:
    """The plan table by name, from `path` or the file shipped here. ValueError (with the field) if malformed."""
    text = path.read_text() if path else files("shared.contracts").joinpath("plans.toml").read_text()
    rows = tomllib.loads(text)
    return MappingProxyType({name: Plan(name=name, **row) for name, row in rows.items()})
