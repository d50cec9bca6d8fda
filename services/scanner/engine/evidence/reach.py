"""Whether the target answers at all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """`answered` is the first web or mail port to accept a connection ("192.0.2.1:443"); None when all were tried in vain."""

    answered: str | None
