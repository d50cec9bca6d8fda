"""The gateway's requests a second beside those of the least reverse proxy that aiohttp allows.

Both stand in front of the same upstream, in processes of their own. The gateway does all its work: the credential, three
rate windows, the signed assertion, request id, trace and metrics. They are measured in turn, and compared turn by turn.
"""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench import process_tree
from tests.bench.figure import Figure
from tests.support.fleet import ROOT, Running
from tests.support.services import Missing, free_port, rabbitmq, redis

ROUNDS = 7
SECONDS = 1.5
CONNECTIONS = 32
PATH = "/v1/usage/limits"
CREDENTIAL = "cl_bench0000000000000000000000000000000"
WANTED = 0.5


@dataclass
class Proxy:
    name: str
    running: Running
    port: int

    async def measure(self) -> tuple[float, float]:
        """Requests a second, and microseconds of the proxy's own CPU for each."""
        assert self.running.process is not None
        before = process_tree.cpu_seconds(self.running.process.pid)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.load", str(self.port), PATH, CREDENTIAL,
            "--connections", str(CONNECTIONS), "--seconds", str(SECONDS), cwd=ROOT, stdout=PIPE,
        )  # fmt: skip
        async with asyncio.timeout(SECONDS + 30):
            output, _ = await process.communicate()
        result = json.loads(output)
        if result["refused"] or not result["answered"]:
            raise RuntimeError(f"{self.name} refused {result['refused']} requests, and answered {result['answered']}")
        cpu = process_tree.cpu_seconds(self.running.process.pid) - before
        return result["answered"] / result["seconds"], cpu / result["all"] * 1e6
