"""What TLS servers answered to messages that only a flawed implementation answers so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.scanner.engine.evidence.base import Unseen

Flaw = Literal["heartbleed", "ccs_injection", "robot"]


@dataclass(frozen=True, slots=True)
class Tried:
    """`present`: the flaw is there; None where the server has not what it needs. `answer`: what it did, in a clause."""

    present: bool | None
    answer: str


@dataclass(frozen=True, slots=True)
class TriedEndpoint:
    host: str
    address: str
    port: int
    flaws: Mapping[Flaw, Tried | Unseen]

    @property
    def asset(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFlaws:
    """Of the services that the TLS evidence knows."""

    domain: str
    endpoints: tuple[TriedEndpoint, ...]
