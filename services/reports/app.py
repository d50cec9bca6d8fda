"""Wiring of the reports service."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from services.reports import routes
from services.reports.document import Documents
from services.reports.issuing import Issuer
from services.reports.renderer import Renderer
from services.reports.retention import Retention
from services.reports.settings import ReportsSettings
from services.reports.signing import CERTIFICATE, PRIVATE_KEY, Identity, load_identity, new_identity
from services.reports.storage import open_storage
from services.reports.subscribers import subscribe
from shared.service import Context, Service
from shared.settings import SettingError
from shared.web import web_app


def create_app(ctx: Context[ReportsSettings]) -> web.Application:
    identity, certificates = _identity(ctx)
    documents = Documents()
    renderer = Renderer(ctx.settings.chromium_path)
    storage = open_storage(ctx.settings.storage)
    issuer = Issuer(
        database=ctx.database,
        bus=ctx.bus,
        storage=storage,
        documents=documents,
        renderer=renderer,
        identity=identity,
        public_url=ctx.settings.public_url,
        clock=ctx.clock,
        ids=ctx.ids,
    )
    keep = timedelta(days=max(plan.limits.history_days for plan in ctx.plans.values()))
    ctx.worker("retention", Retention(ctx.database, storage, ctx.clock, keep).run)
    subscribe(ctx.bus, ctx.clock)

    async def close_renderer(_app: web.Application) -> None:
        await renderer.close()

    app = web_app(ctx, *routes.build(routes.Reports(ctx.database, ctx.keys, issuer, documents, certificates)))
    app.on_cleanup.append(close_renderer)
    return app


def _identity(ctx: Context[ReportsSettings]) -> tuple[Identity, bytes]:
    """The installation's identity, and the PEM of all its certificates, former ones too."""
    host = urlsplit(ctx.settings.public_url).netloc
    names = (PRIVATE_KEY, CERTIFICATE)
    paths = ctx.keys.files(names, lambda: new_identity(host, ctx.clock.now()))
    certificates = paths[CERTIFICATE].read_bytes()
    try:
        return load_identity(certificates, paths[PRIVATE_KEY].read_bytes()), certificates
    except (OSError, ValueError) as error:
        raise SettingError(
            f"CL_KEYS_DIR: the report certificate cannot be used: {error}. Restore both files from a backup."
        ) from error


service = Service("reports", ReportsSettings, create_app, Path(__file__).parent / "migrations")
