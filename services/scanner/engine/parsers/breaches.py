"""The answer of a source of breach data about a domain.

It is JSON in one of three shapes: the list of breaches that Have I Been Pwned's API v3 gives for `breaches?domain=`
(objects with Name, Title, BreachDate, PwnCount, DataClasses), its `breacheddomain` object of accounts and the names of
the breaches each stands in, or `{"breaches": [...], "accounts": <number>}`. Nothing of an account but their number is
kept.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from services.scanner.engine.parsers.errors import ParseError

_BREACHES = 50


@dataclass(frozen=True, slots=True)
class Breach:
    name: str
    date: str  # "2019-03-01"; "" where the source does not say
    accounts: int | None
    data: tuple[str, ...]  # kinds of data: "Email addresses", "Passwords"


@dataclass(frozen=True, slots=True)
class Breaches:
    """What the source does not speak of is None."""

    listed: tuple[Breach, ...] | None  # of the domain's own services
    accounts: int | None  # of the domain that stand in any breach


def parse(body: bytes) -> Breaches:
    """ParseError where it has none of the shapes."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"it is no JSON: {error}") from None
    if isinstance(answer, list):
        return Breaches(_listed(answer), None)
    if not isinstance(answer, dict):
        raise ParseError("it is no JSON list or object")
    if "breaches" in answer or "accounts" in answer:
        breaches, accounts = answer.get("breaches"), answer.get("accounts")
        return Breaches(
            _listed(breaches) if isinstance(breaches, list) else None,
            accounts if isinstance(accounts, int) and not isinstance(accounts, bool) and accounts >= 0 else None,
        )
    if all(isinstance(names, list) for names in answer.values()):
        return Breaches(None, len(answer))
    raise ParseError("it has neither breaches nor accounts")


def _listed(entries: list[Any]) -> tuple[Breach, ...]:
    return tuple(_breach(entry) for entry in entries[:_BREACHES] if isinstance(entry, dict))


def _breach(entry: dict[str, Any]) -> Breach:
    count, data = entry.get("PwnCount"), entry.get("DataClasses")
    return Breach(
        name=str(entry.get("Title") or entry.get("Name") or "unnamed")[:100],
        date=str(entry.get("BreachDate") or "")[:10],
        accounts=count if isinstance(count, int) else None,
        data=tuple(str(kind)[:60] for kind in data[:20]) if isinstance(data, list) else (),
    )
