"""All that a scan saw: what its judgement is made from, at once or years later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from pydantic import ConfigDict, TypeAdapter

from services.scanner.engine import probe, probes
from services.scanner.engine.evidence.base import Unseen
from shared.contracts.report import Module, Profile

_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, from where and over what a scan was made."""

    domain: str
    modules: tuple[Module, ...]
    vantage: str
    started_at: datetime
    completed_at: datetime
    duration_ms: int
    contacted: tuple[tuple[str, int], ...]  # (address, port)
    engine_version: str
    notes: tuple[str, ...] = ()  # limits that were reached
    profile: Profile = Profile.STANDARD
    intrusive: bool = False


@dataclass(frozen=True, slots=True)
class Observations:
    circumstances: Circumstances
    evidence: Mapping[type, Any] = field(default_factory=dict)  # by its type; the evidence or `Unseen`

    def dump(self) -> dict[str, Any]:
        """JSON-ready: the report's `raw_results`."""
        return {
            "circumstances": _dump(Circumstances, self.circumstances),
            "evidence": {
                kind.__name__: {"unseen": _dump(Unseen, seen)}
                if isinstance(seen, Unseen)
                else {"seen": _dump(kind, seen)}
                for kind, seen in self.evidence.items()
            },
        }


def load(raw: Mapping[str, Any]) -> Observations:
    """What `dump` gave. ValueError when it is something else; evidence of a kind no longer known is left out."""
    probes.load()
    kinds = {kind.__name__: kind for kind in probe.registered()}
    try:
        return Observations(
            _load(Circumstances, raw["circumstances"]),
            {
                kinds[name]: _load(Unseen, entry["unseen"]) if "unseen" in entry else _load(kinds[name], entry["seen"])
                for name, entry in raw["evidence"].items()
                if name in kinds
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no results of a scan") from error


def _dump(kind: type, value: Any) -> Any:
    return _adapter(kind).dump_python((value,), mode="json")[0]


def _load(kind: type, value: Any) -> Any:
    return _adapter(kind).validate_json(orjson.dumps([value]))[0]


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    """Of a tuple of one: a dataclass alone takes no configuration from outside."""
    return TypeAdapter(tuple[kind], config=_CONFIG)  # type: ignore[valid-type]  # a type made at run time
