"""Waiting for a scan to change: one LISTEN connection a process, and a look every two seconds beside it."""

import asyncio
from collections import defaultdict

from services.scanner import repository
from services.scanner.scans import Scan
from shared.database import Database

LOOK_EVERY = 2.0  # seconds


class Watch:
    """Wakes those who wait for a scan when its row changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, scan_id: str) -> None:
        """Called with every notification on `repository.CHANGED`; with "" after a gap: then all may have changed."""
        waiting = [self._waiting.get(scan_id, set())] if scan_id else list(self._waiting.values())
        for events in waiting:
            for event in events:
                event.set()

    async def until_changed(self, scan: Scan, timeout: float) -> Scan:
        """The scan as soon as its revision is newer, or as it is after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        event = asyncio.Event()
        self._waiting[scan.id].add(event)
        try:
            while True:
                event.clear()
                async with self._database.connection() as conn:
                    current = await repository.scan(conn, scan.id) or scan
                left = deadline - loop.time()
                if current.revision != scan.revision or current.finished or left <= 0:
                    return current
                try:
                    async with asyncio.timeout(min(left, LOOK_EVERY)):
                        await event.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting[scan.id].discard(event)
            if not self._waiting[scan.id]:
                del self._waiting[scan.id]

    async def until_finished(self, scan: Scan, timeout: float) -> Scan:
        """The scan once it is completed or failed, or as it is after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not scan.finished and (left := deadline - loop.time()) > 0:
            scan = await self.until_changed(scan, left)
        return scan
