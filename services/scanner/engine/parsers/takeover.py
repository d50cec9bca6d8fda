"""Providers whose customers' names a stranger may claim once they are given up: a dated table, takeovers.toml."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    texts: tuple[str, ...]  # of which the page of an unclaimed name holds one
    missing: bool  # an unclaimed name does not exist in the DNS
    edge_case: bool  # the provider may ask for proof of the domain before it gives a name away

    def unclaimed(self, page: str) -> str:
        """The text that shows that nobody has claimed the name; "" where none stands there."""
        return next((text for text in self.texts if text in page), "")


def provider(names: Iterable[str]) -> Provider | None:
    """Whose the first of these names is that belongs to a provider."""
    return _whose(names, "provider")


def dns_provider(servers: Iterable[str]) -> Provider | None:
    """Whose the first of these name servers is that belongs to a provider of zones."""
    return _whose(servers, "dns")


def _whose(names: Iterable[str], kind: str) -> Provider | None:
    table = _table(kind)
    return next((made for name in names for pattern, made in table if pattern.search(name)), None)


@cache
def _table(kind: str) -> tuple[tuple[re.Pattern[str], Provider], ...]:
    rows = tomllib.loads((files(__package__) / "takeovers.toml").read_text("utf-8"))[kind]
    found = []
    for row in rows:
        made = Provider(
            row["name"], tuple(row.get("texts", ())), row.get("missing", False), row.get("edge_case", False)
        )
        suffixes = "|".join(re.escape(suffix).replace(r"\*", "[a-z0-9-]*") for suffix in row["suffixes"])
        found.append((re.compile(rf"(?:^|\.)(?:{suffixes})\Z"), made))
    return tuple(found)
