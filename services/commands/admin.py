"""`compliancelayer admin`: what an operator does to accounts, dead letters and keys, beside the running services."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from services.auth import api_keys, registration, repository
from services.auth.accounts import EmailTaken, InvalidEmail, User, normalise_email
from services.auth.app import service as auth_service
from services.auth.passwords import Passwords
from services.billing.app import service as billing_service
from services.billing.entitlements import Entitlements
from services.reports.signing import CERTIFICATE, PRIVATE_KEY, new_identity
from shared import bus, logging, settings
from shared.clock import Clock, Ids
from shared.contracts.plans import Plans, load_plans
from shared.database import Connection, Database, Unavailable
from shared.keys import Keys
from shared.metrics import Metrics
from shared.migrations import MigrationError, verify
from shared.postgres import OWNER, PrivatePostgres
from shared.postgres_programs import PostgresFailed
from shared.service import Service
from shared.settings import FleetSettings, SettingError

FAILED = 2  # exit code
INVITE_DAYS = 14

admin = typer.Typer(name="admin", help="Accounts, dead letters and keys of an installation.", no_args_is_help=True)
dead_letters = typer.Typer(name="dead-letters", help="Messages that were given up.", no_args_is_help=True)
admin.add_typer(dead_letters)

Email = Annotated[str, typer.Argument(help="the user's e-mail address")]


class AdminError(Exception):
    """The command cannot be carried out; the message says what to do."""


# -- accounts --------------------------------------------------------------------------------------------------------


@admin.command()
def create_account(
    email: Email, plan: Annotated[str | None, typer.Option(help="the plan; by default that of new accounts")] = None
) -> None:
    """Make an account and print its password, which is shown this once."""

    async def run(installation: Installation) -> None:
        _known_plan(installation, plan)
        password = base64.b32encode(installation.ids.token(15)).decode().lower()
        password_hash = await Passwords().hash(password)
        async with installation.auth() as (conn, events):
            user = await registration.register(
                conn,
                events,
                installation.ids,
                email=normalise_email(email),
                password_hash=password_hash,
                plan=installation.plans[installation.settings.plan_of_new_accounts],
                now=installation.clock.now(),
            )
        if plan is not None:
            await _grant(installation, user, plan)
        print(f"{user.email}  password: {password}")

    _run(run)


@admin.command()
def set_plan(email: Email, plan: Annotated[str, typer.Argument(help="the plan, as in the plan table")]) -> None:
    """Give an account a plan, which it has whenever it pays for none."""

    async def run(installation: Installation) -> None:
        _known_plan(installation, plan)
        async with installation.auth() as (conn, _):
            user = await _user(conn, email)
        await _grant(installation, user, plan)
        print(f"{user.email}  plan: {plan}")

    _run(run)


@admin.command()
def disable_account(email: Email) -> None:
    """Refuse every request of an account from now on. Nothing is deleted."""

    async def run(installation: Installation) -> None:
        async with installation.auth() as (conn, events):
            user = await _user(conn, email)
            await registration.disable(conn, events, user.account_id)
        print(f"{user.email}  disabled")

    _run(run)


@admin.command()
def delete_account(email: Email, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete an account and all that is kept of it, and cancel its subscription."""
    if not yes:
        typer.confirm(f"Delete {email} and all its scans, reports and settings?", abort=True)

    async def run(installation: Installation) -> None:
        async with installation.auth() as (conn, events):
            user = await _user(conn, email)
            await registration.delete(conn, events, user.account_id)
        print(f"{user.email}  deleted")

    _run(run)


@admin.command()
def create_invite() -> None:
    """Print a code with which one account can be made where CL_SIGNUP is `invite`."""

    async def run(installation: Installation) -> None:
        code = installation.ids.text("inv_")
        expires = installation.clock.now() + timedelta(days=INVITE_DAYS)
        async with installation.auth() as (conn, _):
            await repository.add_invite(conn, api_keys.digest(code, installation.keys.api_key_pepper), expires)
        print(f"{code}  good until {expires:%Y-%m-%d}")

    _run(run)


# -- dead letters ----------------------------------------------------------------------------------------------------


@dead_letters.command("list")
def list_dead_letters() -> None:
    """Print each with its id, its queue and why it was given up."""

    async def run(installation: Installation) -> None:
        for letter in await bus.dead_letters(installation.settings.bus_url, installation.auth_database):
            died = f"{letter.died_at:%Y-%m-%d %H:%M:%S}" if letter.died_at else "-"
            print(f"{letter.id}  {died}  attempts: {letter.attempts}  {letter.error}")

    _run(run)


@dead_letters.command("replay")
def replay_dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="ids as `list` prints them; without any: all")] = None,
) -> None:
    """Deliver them again."""

    async def run(installation: Installation) -> None:
        count = await bus.replay(
            installation.settings.bus_url, installation.auth_database, ids or None, clock=installation.clock
        )
        print(f"{count} delivered again")

    _run(run)


# -- keys ------------------------------------------------------------------------------------------------------------


@admin.command()
def rotate_keys() -> None:
    """Make new keys in CL_KEYS_DIR; the present ones are accepted until the next rotation.

    The certificate of reports is made if there is none, and kept for good: reports outlive keys.

    Restart the services afterwards. API keys that are not used between two rotations stop working.
    """
    with _reported():
        world = settings.load(FleetSettings, os.environ)
        keys = Keys(world.keys_path, may_make=True, clock=Clock())
        keys.rotate()
        host = urlsplit(world.public_url).netloc
        keys.files((PRIVATE_KEY, CERTIFICATE), lambda: new_identity(host, Clock().now()))
        print(f"new keys in {world.keys_path}; restart the services")


# -- the installation ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installation:
    """What the services' own functions need to do the operator's work."""

    settings: FleetSettings
    plans: Plans
    keys: Keys
    clock: Clock
    ids: Ids
    auth_database: Database
    billing_database: Database

    @asynccontextmanager
    async def auth(self) -> AsyncIterator[tuple[Connection, bus.Bus]]:
        """A transaction of auth's."""
        async with self.auth_database.transaction() as conn:
            yield conn, self._bus(auth_service, self.auth_database)

    @asynccontextmanager
    async def billing(self) -> AsyncIterator[tuple[Connection, bus.Bus]]:
        async with self.billing_database.transaction() as conn:
            yield conn, self._bus(billing_service, self.billing_database)

    def _bus(self, service: Service[Any], database: Database) -> bus.Bus:
        # Never started: it fills the outbox, and the running service publishes from there.
        events = bus.connect(self.settings.bus_url, clock=self.clock, ids=self.ids, metrics=Metrics())
        return events.bind(service.name, database)


@asynccontextmanager
async def _installation() -> AsyncIterator[Installation]:
    world = settings.load(FleetSettings, os.environ)
    clock = Clock()
    async with _owner_url(world) as url:
        databases = []
        try:
            for service in (auth_service, billing_service):
                if service.migrations is not None:
                    await verify(url, service.name, service.migrations)
                databases.append(await Database.open(url, schema=service.name, size=2))
            yield Installation(
                settings=world,
                plans=load_plans(world.plans_file),
                keys=Keys(world.keys_path, may_make=not world.production, clock=clock),
                clock=clock,
                ids=Ids(),
                auth_database=databases[0],
                billing_database=databases[1],
            )
        finally:
            for database in databases:
                await database.close()


@asynccontextmanager
async def _owner_url(world: FleetSettings) -> AsyncIterator[str]:
    """CL_DATABASE_URL, else the private PostgreSQL: the running fleet's, or one started for this command."""
    folder = world.data_dir / "postgres"
    if world.database_url:
        yield world.database_url
    elif running := _running(folder):
        yield running
    elif folder.exists():
        async with PrivatePostgres(folder) as postgres:
            yield postgres.owner_url
    else:
        raise AdminError(f"Nothing has run in {world.data_dir} yet. Start the fleet once, or set CL_DATABASE_URL.")


def _running(folder: Path) -> str | None:
    """The URL of a private PostgreSQL that serves already, from what the server writes into its own lock file."""
    home = (folder / "moved").resolve() if (folder / "moved").is_symlink() else folder
    try:
        lines = (home / "cluster" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
        password, socket_folder = (home / "password").read_text(), lines[4]
    except (OSError, IndexError, ValueError):
        return None
    return f"postgresql://{OWNER}:{password}@/{OWNER}?host={quote(socket_folder, safe='')}"


def _run(command: Callable[[Installation], Awaitable[None]]) -> None:
    async def within() -> None:
        async with _installation() as installation:
            await command(installation)

    with _reported():
        logging.configure(level="warning", json=False)
        asyncio.run(within())


@contextmanager
def _reported() -> Iterator[None]:
    """What the operator can put right is one sentence and exit code 2."""
    try:
        yield
    except EmailTaken:
        _fail("There is an account with this address already.")
    except (AdminError, InvalidEmail, SettingError, MigrationError, PostgresFailed, Unavailable, OSError) as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    raise typer.Exit(FAILED)


async def _user(conn: Connection, email: str) -> User:
    user = await repository.user_by_email(conn, normalise_email(email))
    if user is None:
        raise AdminError(f"No account has the address {email}.")
    return user


async def _grant(installation: Installation, user: User, plan: str) -> None:
    async with installation.billing() as (conn, events):
        default = installation.settings.plan_of_new_accounts
        await Entitlements(events, installation.plans, default, installation.clock).grant(conn, user.account_id, plan)


def _known_plan(installation: Installation, plan: str | None) -> None:
    if plan is not None and plan not in installation.plans:
        raise AdminError(f"{plan} is no plan. Choose one of {', '.join(installation.plans)}.")
