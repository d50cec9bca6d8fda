"""What billing asks of a payment provider."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class ProviderUnavailable(Exception):
    """The provider did not answer in time, or refused; another attempt may succeed."""


@dataclass(frozen=True)
class Checkout:
    """A page where the customer pays."""

    id: str
    url: str


@dataclass(frozen=True)
class ProviderSubscription:
    id: str
    price: str
    status: str
    created_at: datetime


class Provider(Protocol):
    """Every call has a deadline and raises `ProviderUnavailable`. A call repeated with its `key` acts once."""

    async def create_customer(self, *, account_id: int, email: str | None, key: str) -> str:
        """The new customer's id."""
        ...

    async def create_checkout(self, *, customer: str, account_id: int, price: str, key: str) -> Checkout: ...

    async def create_portal(self, *, customer: str, key: str) -> str:
        """The address of a page where the customer manages the subscription."""
        ...

    async def subscription(self, subscription_id: str) -> ProviderSubscription | None:
        """The subscription as it is now; None when there is no such."""
        ...

    async def cancel(self, subscription_id: str) -> None:
        """End a subscription now. One that has ended already, or never was, is no error."""
        ...

    async def close(self) -> None: ...
