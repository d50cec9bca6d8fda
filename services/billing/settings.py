"""Billing's settings."""

from pydantic import Field, SecretStr, model_validator

from shared.settings import ServiceSettings


class BillingSettings(ServiceSettings):
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="the signing secret (whsec_...) of Stripe's webhook endpoint for /v1/billing/webhook"
    )
    stripe_api_base: str | None = Field(
        None, pattern=r"^https?://[^/\s]+$", description="another base address of Stripe's API, such as a test double's"
    )

    @model_validator(mode="after")
    def _paid_plans_arrive(self) -> "BillingSettings":
        if self.stripe_secret_key and not self.stripe_webhook_secret:
            raise ValueError(
                "CL_STRIPE_WEBHOOK_SECRET is not set, so nobody's payment would be noticed; "
                "set it to the signing secret of Stripe's webhook endpoint for /v1/billing/webhook"
            )
        return self
