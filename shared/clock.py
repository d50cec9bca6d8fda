"""Time and chance, as arguments."""

import secrets
import time
import uuid
from datetime import UTC, datetime

_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567" * 8  # a character for every byte: eight bytes a character (RFC 4648, 6)


class Clock:
    """The system's clocks."""

    def now(self) -> datetime:
        """Wall time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds; for deadlines."""
        return time.monotonic()


class Ids:
    """Random identifiers in the contract's forms."""

    def text(self, prefix: str) -> str:
        """`prefix` and 26 characters of lower-case base32: 130 random bits."""
        return prefix + secrets.token_bytes(26).translate(_BASE32).decode()

    def number(self) -> int:
        """A positive integer below 2^53, never 0."""
        return secrets.randbelow(2**53 - 1) + 1

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def token(self, length: int = 32) -> bytes:
        """`length` random bytes."""
        return secrets.token_bytes(length)
