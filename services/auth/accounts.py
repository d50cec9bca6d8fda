"""Accounts and the users who own them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from email_validator import EmailNotValidError, validate_email

from shared.contracts.plans import Limits


class InvalidEmail(ValueError):
    """The text is no e-mail address; the message says why."""


class EmailTaken(Exception):
    """Another user has this address."""


@dataclass(frozen=True)
class Account:
    id: int
    plan: str
    limits: Limits
    created_at: datetime
    status: Literal["active", "disabled"] = "active"
    subscription_status: str | None = None


@dataclass(frozen=True)
class User:
    id: int
    account_id: int
    email: str
    password_hash: str
    created_at: datetime
    email_verified: bool = False


def normalise_email(text: str) -> str:
    """The one spelling of an address that is stored and looked up. Raises `InvalidEmail`.

    Nothing is asked of the network, and names under `.test` are taken (RFC 6761 section 6.2). The local part is
    lower-cased as well: no mailbox provider tells `Ann@` from `ann@`, and people type either.
    """
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidEmail(str(error)) from None
