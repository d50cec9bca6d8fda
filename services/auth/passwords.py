"""Password hashes: argon2id, off the event loop, a bounded number at once."""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")


class Overloaded(Exception):
    """Too many passwords wait to be hashed."""


class Passwords:
    """Hashes and verifies. Parameters: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB, t=2, p=1."""

    def __init__(self, concurrency: int = 2, waiting: int = 64) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._slots = asyncio.Semaphore(concurrency)
        self._room = concurrency + waiting
        # What an unknown user's password is compared with, so that the answer takes as long as a known one's.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Raises `Overloaded`."""
        return await self._run(lambda: self._hasher.hash(_normalise(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """True when `password` made `stored`. None (an unknown user) is always false, after the same work."""
        matches = await self._run(lambda: self._matches(stored or self._nobody, _normalise(password)))
        return matches and stored is not None

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room == 0:
            raise Overloaded
        self._room -= 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._room += 1


def _normalise(password: str) -> str:
    # One password typed on two keyboards is one password (NIST SP 800-63B section 3.1.1.2).
    return unicodedata.normalize("NFC", password)
