"""Start and stop: the same order for one service and for several, and a sentence where it cannot be."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.errors import ApiError
from shared.routes import Routes
from shared.runtime import Process, apply_migrations
from shared.service import Context, Service, Stopping
from shared.settings import ServiceSettings, SettingError
from shared.web import web_app
from tests.support import toy
from tests.support.app import environment, principal, running

ALONE = {"bus_url": "amqp://guest:guest@127.0.0.1:1/", "cache_url": "memory:"}


async def refusal(*services: Service[Any], fleet: bool, database_url: str | None = None, **settings: Any) -> str:
    """Why a process does not start."""
    with environment(database_url, **settings) as environ, pytest.raises(SettingError) as error:
        await Process(services, environ, fleet=fleet).start()
    return str(error.value)


async def test_a_lone_service_refuses_the_local_bus_and_says_why() -> None:
    sentence = await refusal(toy.service, fleet=False)
    assert sentence.startswith("CL_BUS_URL: `local:` joins services within one process, and toy runs alone.")
    assert "python -m services" in sentence


async def test_a_lone_service_needs_a_database_that_is_migrated(database_url: str) -> None:
    assert (await refusal(toy.service, fleet=False, **ALONE)).startswith("CL_DATABASE_URL: not set")
    nobody = "postgresql://nobody@127.0.0.1:1/x"
    assert (await refusal(toy.service, fleet=False, database_url=nobody, **ALONE)).startswith("CL_DATABASE_URL: no use")
    with environment(database_url, **ALONE) as environ:
        with pytest.raises(Exception, match="python -m services migrate"):
            await Process([toy.service], environ, fleet=False).start()
        await apply_migrations([toy.service], environ)
        async with Process([toy.service], environ, fleet=False) as process:
            assert process.urls["toy"].startswith("http://127.0.0.1:")


async def test_a_port_that_is_taken_is_named(database_url: str, unused_tcp_port: int) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", unused_tcp_port)
    async with server:
        sentence = await refusal(toy.service, fleet=True, database_url=database_url, metrics_port=unused_tcp_port)
    assert sentence.startswith(f"CL_METRICS_PORT: 127.0.0.1:{unused_tcp_port} is not to be had")


async def test_plans_that_do_not_fit_are_named(database_url: str, tmp_path: Path) -> None:
    assert "'gold' is no plan" in await refusal(toy.service, fleet=True, default_plan="gold")
    assert (await refusal(toy.service, fleet=True, plans_file=tmp_path / "none.toml")).startswith("CL_PLANS_FILE: ")


async def test_the_internal_port_has_health_and_metrics_and_the_service_has_no_metrics(database_url: str) -> None:
    async with running(toy.service, database_url=database_url) as client:
        await client.get("/v1/names/x")
        inside = client.at("internal")
        metrics = (await inside.get("/metrics")).body.decode()
        assert 'http_requests_total{method="GET",route="/v1/names/{name}",service="toy",status="200"} 1.0' in metrics
        for reader in (client, inside):
            assert (await reader.get("/readyz")).json() == {"status": "ready", "missing": [], "degraded": []}
            assert (await reader.get("/healthz")).status == 200
        assert (await client.get("/metrics")).status == 404


async def test_a_cache_that_is_away_degrades_and_keeps_ready(database_url: str, unused_tcp_port: int) -> None:
    def create_app(ctx: Context[ServiceSettings]) -> web.Application:
        routes = Routes("Cached")

        @routes.get("/v1/cached", summary="Read the cache", public=True)
        async def read() -> dict[str, bool]:
            return {"found": await ctx.cache.get("x") is not None}

        return web_app(ctx, routes)

    service = replace(toy.service, create_app=create_app)
    async with running(
        service, database_url=database_url, cache_url=f"redis://127.0.0.1:{unused_tcp_port}/0"
    ) as client:
        assert (await client.get("/v1/cached")).json() == {"found": False}
        ready = await client.get("/readyz")
        assert (ready.status, ready.json()["degraded"]) == (200, ["cache"])


async def test_a_stop_lets_requests_finish_after_workers_have(database_url: str) -> None:
    order: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    def create_app(ctx: Context[ServiceSettings]) -> web.Application:
        routes = Routes("Slow")

        @routes.get("/v1/slow", summary="Answer when told", public=True)
        async def slow() -> dict[str, bool]:
            begun.set()
            await go_on.wait()
            order.append("request finished")
            return {"whole": True}

        async def work(stopping: Stopping) -> None:
            await stopping.wait()
            order.append("worker stopped")
            go_on.set()

        ctx.worker("work", work)
        return web_app(ctx, routes)

    async with running(replace(toy.service, create_app=create_app), database_url=database_url) as client:
        request = asyncio.create_task(client.get("/v1/slow"))
        await begun.wait()
        await client.process.stop()
        assert (await request).json() == {"whole": True}
    assert order == ["worker stopped", "request finished"]


async def test_a_worker_that_fails_is_started_again(database_url: str) -> None:
    started: list[int] = []
    twice = asyncio.Event()

    def create_app(ctx: Context[ServiceSettings]) -> web.Application:
        async def work(stopping: Stopping) -> None:
            started.append(len(started))
            if len(started) == 1:
                raise ApiError("internal_server_error", "the first run fails")
            twice.set()
            await stopping.wait()

        ctx.worker("work", work)
        return web_app(ctx)

    async with running(replace(toy.service, create_app=create_app), database_url=database_url), asyncio.timeout(10):
        await twice.wait()
    assert started == [0, 1]


async def test_services_of_a_fleet_reach_each_other_over_private_sockets(database_url: str) -> None:
    gateway = Service("gateway", toy.service.settings, lambda ctx: web_app(ctx))
    async with running(gateway, toy.service, database_url=database_url) as client:
        assert client.process.urls["gateway"].startswith("http://127.0.0.1:")
        socket = Path(client.process.urls["toy"].removeprefix("unix://"))
        assert (socket.stat().st_mode & 0o777, socket.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert (await client.at("toy").as_principal(principal()).get("/v1/notes")).json() == []
    assert not socket.parent.exists()


PROGRAM = "from shared.runtime import main; from tests.support.toy import service; main(service{second})"


@asynccontextmanager
async def program(environ: dict[str, str], second: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(second=second), env=os.environ | environ, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_process_that_cannot_start_says_why_and_exits_2() -> None:
    with environment(None, port="x") as environ:
        async with program(environ) as process:
            _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().splitlines()[-1].startswith("Cannot start. CL_PORT: 'x' is not accepted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_a_process_cleanly(
    database_url: str, unused_tcp_port_factory: Callable[[], int], number: signal.Signals
) -> None:
    port = unused_tcp_port_factory()
    with environment(database_url, port=port, metrics_port=unused_tcp_port_factory(), **ALONE) as environ:
        await apply_migrations([toy.service], environ)
        async with program(environ) as process:
            await _until_ready(f"http://127.0.0.1:{port}")
            process.send_signal(number)
            output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in output + errors


async def _until_ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
