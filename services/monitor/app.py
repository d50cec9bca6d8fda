"""The monitor service, wired."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.monitor import routes
from services.monitor.certificates import certificate_timer
from services.monitor.channels.email import EmailChannel
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.deliveries import MailDeliveries, WebhookDeliveries
from services.monitor.notify import Notifier
from services.monitor.retention import retention
from services.monitor.schedule import scheduler
from services.monitor.settings import MonitorSettings
from services.monitor.subscribers import subscribe
from shared.service import Context, Service
from shared.trust import tls_context
from shared.web import web_app


def create_app(ctx: Context[MonitorSettings]) -> web.Application:
    settings = ctx.settings
    context = tls_context(settings.trust_ca_file)
    smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
    notifier = Notifier(ctx.bus, ctx.clock, ctx.ids, settings.public_url)
    webhook_channel = WebhookChannel(ctx.egress, context)
    email_channel = EmailChannel(smtp_url, settings.mail_from, settings.data_dir / "mail", context)
    deliveries = WebhookDeliveries(ctx.database, webhook_channel, notifier, ctx.keys.seal, ctx.clock)

    subscribe(ctx.bus, notifier)
    ctx.worker("schedule", scheduler(ctx.database, ctx.bus, ctx.clock, ctx.ids))
    ctx.worker("certificates", certificate_timer(ctx.database, notifier))
    ctx.worker("webhooks", deliveries)
    ctx.worker("mail", MailDeliveries(ctx.database, email_channel, ctx.clock))
    ctx.worker("retention", retention(ctx.database, ctx.clock))

    monitor = routes.Monitor(settings, ctx.database, ctx.bus, ctx.egress, ctx.keys.seal, deliveries, ctx.clock, ctx.ids)

    async def channels(_app: web.Application) -> AsyncIterator[None]:
        yield
        await webhook_channel.close()

    app = web_app(ctx, routes.build_domains(monitor), routes.build_webhooks(monitor))
    app.cleanup_ctx.append(channels)
    return app


service = Service("monitor", MonitorSettings, create_app, migrations=Path(__file__).parent / "migrations")
