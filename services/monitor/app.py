"""The monitor service, wired."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.monitor import routes
from services.monitor.certificates import certificate_timer
from services.monitor.channels.email import EmailChannel
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.deliveries import AT_ONCE, MailDeliveries, WebhookDeliveries
from services.monitor.notify import Notifier
from services.monitor.retention import retention
from services.monitor.schedule import scheduler
from services.monitor.settings import MonitorSettings
from services.monitor.subscribers import subscribe
from shared.service import Context, Service
from shared.trust import tls_context
from shared.web import web_app

DELIVERY_TIMEOUT = 30.0  # seconds
TEST_TIMEOUT = 20.0  # somebody waits for it
TESTS_AT_ONCE = 16


def create_app(ctx: Context[MonitorSettings]) -> web.Application:
    settings = ctx.settings
    context = tls_context(settings.trust_ca_file)
    smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
    notifier = Notifier(ctx.bus, ctx.clock, ctx.ids, settings.public_url)

    def webhook_channel(connections: int, timeout: float) -> WebhookChannel:
        return WebhookChannel(
            ctx.egress,
            ctx.keys.seal,
            context,
            allow_http=settings.webhook_allow_http,
            connections=connections,
            timeout=timeout,
        )

    deliveries = webhook_channel(AT_ONCE, DELIVERY_TIMEOUT)
    tests = webhook_channel(TESTS_AT_ONCE, TEST_TIMEOUT)  # its own connections: tests hold up no delivery
    mail = EmailChannel(smtp_url, settings.mail_from, settings.data_dir / "mail", context)

    subscribe(ctx.bus, notifier)
    ctx.worker("schedule", scheduler(ctx.database, ctx.bus, ctx.clock, ctx.ids))
    ctx.worker("certificates", certificate_timer(ctx.database, notifier))
    ctx.worker("webhooks", WebhookDeliveries(ctx.database, deliveries, notifier, ctx.clock))
    ctx.worker("mail", MailDeliveries(ctx.database, mail, ctx.clock))
    ctx.worker("retention", retention(ctx.database, ctx.clock))

    monitor = routes.Monitor(settings, ctx.database, ctx.bus, ctx.egress, ctx.keys.seal, tests, ctx.clock, ctx.ids)

    async def channels(_app: web.Application) -> AsyncIterator[None]:
        yield
        await deliveries.close()
        await tests.close()

    app = web_app(ctx, routes.build_domains(monitor), routes.build_webhooks(monitor))
    app.cleanup_ctx.append(channels)
    return app


service = Service("monitor", MonitorSettings, create_app, migrations=Path(__file__).parent / "migrations")
