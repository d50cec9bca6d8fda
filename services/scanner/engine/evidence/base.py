"""What could not be seen, and whose doing that was."""

from dataclasses import dataclass
from typing import Literal

Fault = Literal["target", "source", "ours"]


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stands in the place of evidence that could not be had.

    `fault`: "target" (it refused, timed out, sent garbage), "source" (a resolver or feed of ours was out of reach),
    "ours" (a bug, or the scan's own time limit with nothing asked yet).
    """

    reason: str
    fault: Fault
    silent: bool = False  # nothing was said at all, so that another time may tell more
