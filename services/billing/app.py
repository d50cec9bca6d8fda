"""The billing service."""

from pathlib import Path

from aiohttp import web

from services.billing import routes
from services.billing.entitlements import Entitlements
from services.billing.inbox import Inbox
from services.billing.retention import retention
from services.billing.settings import BillingSettings
from services.billing.subscribers import subscribe
from shared.service import Context, Service
from shared.web import web_app


def create_app(ctx: Context[BillingSettings]) -> web.Application:
    entitlements = Entitlements(ctx.bus, ctx.plans, ctx.settings.plan_of_new_accounts, ctx.clock)
    payments = _payments(ctx, entitlements)
    subscribe(ctx.bus, entitlements, ctx.clock)
    ctx.worker("retention", retention(ctx.database, ctx.clock))
    app = web_app(ctx, routes.build(routes.Billing(ctx, entitlements, payments)))
    if payments is not None:
        provider = payments.provider
        ctx.worker("stripe-events", payments.inbox)

        async def close(_app: web.Application) -> None:
            await provider.close()

        app.on_cleanup.append(close)
    return app


def _payments(ctx: Context[BillingSettings], entitlements: Entitlements) -> routes.Payments | None:
    key, secret = ctx.settings.stripe_secret_key, ctx.settings.stripe_webhook_secret
    if key is None or secret is None:
        return None
    # Stripe's SDK takes 0.3 s and 17 MB: only an installation that bills pays for it.
    from services.billing.stripe_provider import StripeProvider

    provider = StripeProvider(key.get_secret_value(), ctx.settings.stripe_api_base, ctx.settings.public_url)
    return routes.Payments(
        provider=provider,
        inbox=Inbox(ctx.database, provider, entitlements, ctx.plans, ctx.clock),
        webhook_secret=secret.get_secret_value(),
        livemode="_live_" in key.get_secret_value(),
    )


service = Service(
    name="billing",
    settings=BillingSettings,
    create_app=create_app,
    migrations=Path(__file__).parent / "migrations",
)
