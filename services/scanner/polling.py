"""Holding a repeated poll: an answer that would say nothing new waits up to a second for news."""

from collections import OrderedDict

from services.scanner.scans import Scan
from services.scanner.watch import Watch
from shared.clock import Clock

AGAIN_WITHIN = 1.0  # seconds
HOLD = 1.0  # seconds
REMEMBERED = 10_000


class Polls:
    """What each caller was last told of a scan."""

    def __init__(self, watch: Watch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock
        self._told: OrderedDict[tuple[int, str], tuple[int, float]] = OrderedDict()

    async def hold(self, account_id: int, scan: Scan) -> Scan:
        """`scan` at once where it is news to this caller, else the next change of it."""
        key = (account_id, scan.id)
        revision, at = self._told.get(key, (-1, float("-inf")))
        if not scan.finished and revision == scan.revision and self._clock.monotonic() - at < AGAIN_WITHIN:
            scan = await self._watch.until_changed(scan, HOLD)
        self._told[key] = (scan.revision, self._clock.monotonic())
        self._told.move_to_end(key)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return scan
