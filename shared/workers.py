"""Work beside the web server: started last, restarted when it fails, stopped first."""

import asyncio
from collections.abc import Iterable

import structlog

from shared.database import Unavailable
from shared.service import Stopping, Worker

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between restarts

_log = structlog.get_logger()


class Workers:
    """The running workers of one process."""

    def __init__(self) -> None:
        self._stopping = Stopping()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, service: str, workers: Iterable[tuple[str, Worker]]) -> None:
        for name, run in workers:
            self._tasks.append(asyncio.create_task(self._keep(service, name, run), name=f"{service} {name}"))

    async def stop(self, seconds: float) -> None:
        """Ask all to stop; cancel what has not within `seconds`."""
        self._stopping.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            _log.warning("worker cancelled", worker=task.get_name(), seconds=seconds)
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, service: str, name: str, run: Worker) -> None:
        structlog.contextvars.bind_contextvars(service=service, worker=name)
        pause = _FIRST_PAUSE
        while not self._stopping:
            try:
                await run(self._stopping)
                return
            except Unavailable as error:
                _log.warning("worker waits for the database", again_in=pause, error=str(error))
            except Exception:
                _log.exception("worker failed", again_in=pause)
            await self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
