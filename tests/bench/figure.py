"""One measured figure beside what was wanted, and how much its samples differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """The median of `samples` against a bound: at most `wanted`, or at least where `floor` is set."""

    name: str
    samples: Sequence[float]
    unit: str
    wanted: float | None = None  # None: shown beside the others, with no bound of its own
    floor: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.samples)

    @property
    def verdict(self) -> str:
        if self.wanted is None:
            return "-"
        met = self.value >= self.wanted if self.floor else self.value <= self.wanted
        return "met" if met else "missed"

    def __str__(self) -> str:
        bound = "" if self.wanted is None else f"{'at least' if self.floor else 'at most'} {self.wanted:g} {self.unit}"
        spread = "" if len(self.samples) == 1 else f"{min(self.samples):.4g} to {max(self.samples):.4g}"
        measured = f"{self.value:.4g} {self.unit}"
        return f"  {self.verdict:6} {self.name:50} {measured:>14}  {spread:16} {bound:18} {self.note}".rstrip()
