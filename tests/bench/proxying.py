"""The gateway's requests a second beside those of the least reverse proxy that aiohttp allows.

Both stand in front of the same upstream, in processes of their own. The gateway does all its work: the credential,
three rate windows, the signed assertion, request id, trace and metrics. They are measured in turn, many times, and
compared turn by turn. The CPU that a request costs each proxy is compared too: other processes disturb it less.
"""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from shared.bus import RETRY_DELAYS
from tests.bench import process_tree
from tests.bench.figure import Figure
from tests.support.fleet import ROOT, Running
from tests.support.services import Missing, free_port, rabbitmq, redis, remove_topology

ROUNDS = 15
SECONDS = 0.7
CONNECTIONS = 32
PATH = "/v1/usage/limits"
CREDENTIAL = "cl_bench0000000000000000000000000000000"
WANTED = 0.5


@dataclass(frozen=True)
class Measured:
    rate: float  # requests a second
    cpu: float  # microseconds of the proxy's own CPU, a request


@dataclass
class Proxy:
    name: str
    running: Running
    port: int

    async def measure(self) -> Measured:
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
        return Measured(result["answered"] / result["seconds"], cpu / result["all"] * 1e6)


async def figures() -> AsyncIterator[Figure]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-bench-")))
        try:
            bus = stack.enter_context(rabbitmq(os.environ.get("CL_TEST_BUS_URL")))
            cache = stack.enter_context(redis(os.environ.get("CL_TEST_CACHE_URL")))
        except Missing as missing:
            print(f"  not measured: {missing}")
            return
        bus += f"?prefix=bench{os.getpid()}."
        stack.push_async_callback(remove_topology, bus, RETRY_DELAYS)
        upstream = Running("upstream", folder / "upstream.log")
        stack.push_async_callback(upstream.stop)
        upstream_port = free_port()
        await upstream.start({}, "tests.bench.upstream", str(upstream_port))
        url = f"http://127.0.0.1:{upstream_port}"

        minimal = await _started(stack, folder, "minimal proxy", {}, "tests.bench.minimal_proxy", url)
        settings = {f"CL_{service}_URL": url for service in ("AUTH", "BILLING", "SCANNER", "MONITOR", "REPORTS")}
        settings |= {"CL_BUS_URL": bus, "CL_METRICS_PORT": "0", "CL_DATA_DIR": str(folder)}
        gateways = [
            await _started(stack, folder, f"gateway {name}", settings | {"CL_CACHE_URL": cache_url}, "services.gateway")
            for name, cache_url in (("memory", "memory:"), ("Redis", cache))
        ]
        rounds = [[await proxy.measure() for proxy in (minimal, *gateways)] for _ in range(ROUNDS)]

    least, memory, shared = zip(*rounds, strict=True)
    yield Figure("requests a second, minimal proxy", [one.rate for one in least], "1/s", note=_cpu(least))
    for name, measured, wanted in (("memory", memory, WANTED), ("Redis", shared, None)):
        yield Figure(f"requests a second, gateway ({name})", [one.rate for one in measured], "1/s", note=_cpu(measured))
        pairs = list(zip(measured, least, strict=True))
        rates = [ours.rate / floor.rate for ours, floor in pairs]
        yield Figure(f"gateway ({name}) to the minimal proxy", rates, "of it", wanted, floor=True)
        cpu = [floor.cpu / ours.cpu for ours, floor in pairs]
        yield Figure(f"gateway ({name}) to the minimal proxy, by CPU", cpu, "of it")


async def _started(stack: AsyncExitStack, folder: Path, name: str, settings: Mapping[str, str], *command: str) -> Proxy:
    port = free_port()
    running = Running(name, folder / f"{name}.log")
    stack.push_async_callback(running.stop)
    await running.start({**settings, "CL_PORT": str(port)}, *command)
    await running.until_ready(f"http://127.0.0.1:{port}")
    return Proxy(name, running, port)


def _cpu(measured: Sequence[Measured]) -> str:
    return f"{median(one.cpu for one in measured):.0f} us of its CPU each"
