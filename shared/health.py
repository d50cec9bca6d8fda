"""`/healthz` (alive), `/readyz` (able to serve) and, on the internal port alone, `/metrics`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from shared.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], Awaitable[bool]]


@dataclass
class Health:
    """Ready means: this process can answer what it serves. What it can do without is only listed as degraded."""

    serving: bool = False  # set when all has started, and unset when the drain begins
    needs: dict[str, Check] = field(default_factory=dict)
    degraded: Callable[[], list[str]] = list

    def add_to(self, app: web.Application, needs: Sequence[str]) -> None:
        """Answer for those of the process's `needs` that `app` has."""

        async def alive(_request: web.Request) -> web.Response:
            return web.json_response({"status": "alive"})

        async def ready(_request: web.Request) -> web.Response:
            missing = [name for name in needs if not await self.needs[name]()] if self.serving else ["serving"]
            body = {"status": "not_ready" if missing else "ready", "missing": missing, "degraded": self.degraded()}
            return web.json_response(body, status=503 if missing else 200)

        app.router.add_get("/healthz", alive)
        app.router.add_get("/readyz", ready)


def internal_app(health: Health, metrics: Metrics) -> web.Application:
    """What the internal port serves."""

    async def render(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    health.add_to(app, tuple(health.needs))
    app.router.add_get("/metrics", render)
    return app
