"""What each live test expected of each check, and what the scan said: kept where `make accuracy` asks for it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

VARIABLE = "ACCURACY_RECORD"  # names the file that outcomes are appended to; unset, none are kept

Kind = Literal["fires", "silent", "blocked"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check on a target of which it is known what it has to say: fail, not fail, or not tested."""

    check: str
    kind: Kind
    said: str  # the check's status

    @property
    def right(self) -> bool:
        match self.kind:
            case "fires":
                return self.said == "fail"
            case "blocked":
                return self.said == "not_tested"
            case "silent":
                return self.said not in ("fail", "error")


def expected(check: str, status: str, said: str) -> Outcome:
    """Of a check that has to come to `status`."""
    kinds: Mapping[str, Kind] = {"fail": "fires", "not_tested": "blocked"}
    return Outcome(check, kinds.get(status, "silent"), said)


def keep(outcomes: Iterable[Outcome]) -> None:
    """Append them, whole lines at a time, since workers share the file."""
    if file := os.environ.get(VARIABLE):
        lines = "".join(f"{json.dumps(asdict(outcome))}\n" for outcome in outcomes)
        with Path(file).open("a", encoding="utf-8") as record:
            record.write(lines)


def read(file: Path) -> list[Outcome]:
    return [Outcome(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
