"""An account's beginning and end, each with the event that tells the other services."""

from datetime import datetime

from services.auth import repository
from services.auth.accounts import Account, User
from shared.bus import Bus
from shared.clock import Ids
from shared.contracts.events import AccountCreated, AccountDeleted, AccountDisabled
from shared.contracts.plans import Plan
from shared.database import Connection


async def register(
    conn: Connection, bus: Bus, ids: Ids, *, email: str, password_hash: str, plan: Plan, now: datetime
) -> User:
    """A new account and the user who owns it. Raises `EmailTaken`, after which `conn`'s transaction must end."""
    account = Account(ids.number(), plan.name, plan.limits, now)
    user = User(ids.number(), account.id, email, password_hash, now)
    await repository.add_account(conn, account, user)
    await bus.publish(
        conn, AccountCreated(account_id=account.id, user_id=user.id, email=email, plan=plan.name, created_at=now)
    )
    return user


async def disable(conn: Connection, bus: Bus, account_id: int) -> None:
    """Everything of the account is refused from now on; nothing is deleted."""
    version = await repository.disable_account(conn, account_id)
    if version is not None:
        await bus.publish(conn, AccountDisabled(account_id=account_id, version=version))


async def delete(conn: Connection, bus: Bus, account_id: int) -> None:
    """The account and all that any service keeps of it."""
    await repository.delete_account(conn, account_id)
    await bus.publish(conn, AccountDeleted(account_id=account_id))
