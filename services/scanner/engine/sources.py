"""What a process remembers of the sources its scans ask: an answer for as long as it holds, a failure for a minute."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from services.scanner.engine.evidence.base import Unseen

T = TypeVar("T")

DOWN = 60.0  # seconds in which a source that failed is not asked again
_ENTRIES = 1000


class Sources:
    """Shared by all scans, so that a source out of reach costs the wait for it once a minute and not once a scan.

    `patience`: how many seconds a scan waits for all that one source has to say.
    """

    def __init__(self, patience: float = 3.0, now: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self._now = now
        self._known: dict[str, tuple[float, Any]] = {}  # until when, what

    async def ask(
        self,
        source: str,
        question: Callable[[], Awaitable[T | Unseen]],
        *,
        timeout: float | None = None,
        keep: float = 0.0,
    ) -> T | Unseen:
        """The answer, remembered for `keep` seconds under the name `source`; Unseen after `timeout` seconds (else
        after `patience`).

        A failure is remembered for `DOWN` seconds, whatever `keep`. An exception of `question` is the caller's.
        """
        until, known = self._known.get(source, (0.0, None))
        if self._now() < until:
            return known  # type: ignore[no-any-return]  # what this name's question once gave
        timeout = self.patience if timeout is None else timeout
        try:
            async with asyncio.timeout(timeout):
                answer = await question()
        except TimeoutError:
            answer = Unseen(f"{source} gave no answer within {timeout:.1f} s", "source")
        keep = DOWN if isinstance(answer, Unseen) else keep
        if keep:
            if len(self._known) >= _ENTRIES:
                self._known.clear()
            self._known[source] = (self._now() + keep, answer)
        return answer
