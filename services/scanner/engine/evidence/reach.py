"""Whether the target answers at all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    answered: str | None  # the first web or mail port to take a connection, "192.0.2.1:443"; None: all tried in vain
