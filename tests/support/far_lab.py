"""A lab at the far end of a wire: real ports, real addresses, and as many milliseconds away as one likes."""

import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.wire import Wire

NETWORK = IPv4Network("10.77.0.0/23")
ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how long it took."""

    output: bytes
    errors: str
    code: int
    seconds: float


class FarLab:
    """`sites`: "module:function" that gives them. As an async context manager; NoNamespaces where none can be made."""

    def __init__(self, round_trip: float, sites: str = "tests.support.lab.world:everything") -> None:
        self.wire = Wire(NETWORK, round_trip, NETWORK[1])
        self._sites = sites
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-lab-")))
            self.settings_file = folder / "settings.json"
            await self._stack.enter_async_context(self.wire)
            lab = await asyncio.create_subprocess_exec(
                *self.wire.far_command(
                    sys.executable, "-m", "tests.support.lab", "--network", str(NETWORK),
                    "--settings", str(self.settings_file), "--sites", self._sites,
                ),
                cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            self._stack.push_async_callback(_stopped, lab)
            async with asyncio.timeout(START_SECONDS):
                while not self.settings_file.exists():
                    if lab.returncode is not None:
                        raise RuntimeError(f"the lab of {self._sites} did not start")
                    await asyncio.sleep(0.05)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def settings(self) -> dict[str, str]:
        """The environment to scan this lab with."""
        settings: dict[str, str] = json.loads(self.settings_file.read_text())
        return settings

    @property
    def roots(self) -> Path:
        """The lab's own certificate authority."""
        return Path(self.settings["CL_TRUST_CA_FILE"])

    async def run(self, *command: str, timeout: float = 600.0) -> Ran:
        """The command, run at the scanner's end. TimeoutError."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        process = await asyncio.create_subprocess_exec(
            *self.wire.near_command(*command),
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                output, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return Ran(output, errors.decode(errors="replace"), process.returncode or 0, loop.time() - started)


async def _stopped(lab: asyncio.subprocess.Process) -> None:
    if lab.returncode is None:
        lab.terminate()
    await lab.wait()
