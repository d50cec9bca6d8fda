"""The routes of `/v1/auth` and the public keys."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from services.auth import api_keys, registration, repository
from services.auth.accounts import EmailTaken
from services.auth.credentials import Credentials
from services.auth.messages import (
    Done,
    KeyList,
    KeyView,
    LoginRequest,
    NewKeyRequest,
    NewKeyView,
    PasswordChange,
    Profile,
    SignedIn,
    SignupRequest,
)
from services.auth.passwords import Overloaded, Passwords
from services.auth.settings import AuthSettings
from services.auth.throttling import Throttle
from shared.contracts.principal import Principal, Scope
from shared.database import Connection
from shared.errors import ApiError, InvalidField
from shared.routes import Routes
from shared.service import Context
from shared.web import client_address

T = TypeVar("T")


@dataclass(frozen=True)
class Auth:
    """What the routes close over."""

    ctx: Context[AuthSettings]
    passwords: Passwords
    credentials: Credentials
    throttle: Throttle


def build(auth: Auth) -> Routes:
    routes = Routes("Authentication")
    _add_session_routes(routes, auth)
    _add_key_routes(routes, auth)
    return routes


def _add_session_routes(routes: Routes, auth: Auth) -> None:
    @routes.post(
        "/v1/auth/signup",
        summary="Create an account",
        public=True,
        errors=("invalid_request", "signup_closed", "rate_limit_exceeded", "service_unavailable"),
    )
    async def signup(request: web.Request, body: SignupRequest) -> SignedIn:
        """A token for immediate use."""
        ctx = auth.ctx
        if ctx.settings.signup == "closed" or (ctx.settings.signup == "invite" and body.invite_code is None):
            raise _signup_closed()
        await auth.throttle.signup(client_address(request))
        async with ctx.database.connection() as conn:
            if await repository.user_by_email(conn, body.email):
                raise _email_taken()
        password_hash = await _in_turn(auth.passwords.hash(body.password))
        try:
            async with ctx.database.transaction() as conn:
                if ctx.settings.signup == "invite":
                    digests = [api_keys.digest(body.invite_code or "", pepper) for pepper in ctx.keys.api_key_peppers]
                    if not await repository.use_invite(conn, digests, ctx.clock.now()):
                        raise _signup_closed()
                user = await registration.register(
                    conn,
                    ctx.bus,
                    ctx.ids,
                    email=body.email,
                    password_hash=password_hash,
                    plan=ctx.plans[ctx.settings.plan_of_new_accounts],
                    now=ctx.clock.now(),
                )
                token = await auth.credentials.open_session(conn, user.id)
                return SignedIn.of(token, user, await repository.account(conn, user.account_id))
        except EmailTaken:
            raise _email_taken() from None

    @routes.post(
        "/v1/auth/login",
        summary="Sign in",
        public=True,
        errors=("invalid_request", "unauthorized", "account_disabled", "rate_limit_exceeded", "service_unavailable"),
    )
    async def login(request: web.Request, body: LoginRequest) -> SignedIn:
        """A token; the answer does not tell which half was wrong, in words or in time."""
        database = auth.ctx.database
        await auth.throttle.login(body.email, client_address(request))
        async with database.connection() as conn:
            user = await repository.user_by_email(conn, body.email)
        # No connection is held while a password is hashed.
        matches = await _in_turn(auth.passwords.verify(user.password_hash if user else None, body.password))
        if user is None or not matches:
            raise _wrong()
        async with database.transaction() as conn:
            if not await repository.lock_password(conn, user):
                raise _wrong()  # it was changed meanwhile, and that ended all sessions
            account = await repository.account(conn, user.account_id)
            if account.status == "disabled":
                raise ApiError("account_disabled", "This account is disabled.")
            return SignedIn.of(await auth.credentials.open_session(conn, user.id), user, account)

    @routes.post(
        "/v1/auth/password/change",
        summary="Change the password",
        scope=Scope.ACCOUNT_WRITE,
        errors=("rate_limit_exceeded", "service_unavailable"),
    )
    async def change_password(request: web.Request, principal: Principal, body: PasswordChange) -> Done:
        """Ends every session, the calling one too. API keys stay."""
        async with auth.ctx.database.connection() as conn:
            user = await repository.user(conn, principal.user_id)
        if user is None:
            raise ApiError("unauthorized", "The account is gone.")
        await auth.throttle.login(user.email, client_address(request))
        wrong = InvalidField("current_password", "is wrong")
        if not await _in_turn(auth.passwords.verify(user.password_hash, body.current_password)):
            raise wrong
        password_hash = await _in_turn(auth.passwords.hash(body.new_password))
        async with auth.ctx.database.transaction() as conn:
            if not await repository.change_password(conn, user, password_hash):
                raise wrong
            await auth.credentials.end_sessions(conn, account_id=user.account_id, user_id=user.id)
        return Done()

    @routes.post("/v1/auth/logout", summary="End the calling session", errors=("invalid_request",))
    async def logout(principal: Principal, conn: Connection) -> Done:
        await auth.credentials.end_session(conn, principal)
        return Done()

    @routes.get("/internal/me", summary="Auth's part of /v1/auth/me", scope=Scope.ACCOUNT_READ, hidden=True)
    async def me(principal: Principal, conn: Connection) -> Profile:
        user = await repository.user(conn, principal.user_id)
        if user is None:
            raise ApiError("unauthorized", "The account is gone.")
        keys = await auth.credentials.keys(conn, principal)
        return Profile.of(user, await repository.account(conn, user.account_id), keys[0] if keys else None)

    @routes.get("/.well-known/jwks.json", summary="The public keys of access tokens", public=True)
    async def jwks() -> dict[str, list[dict[str, str]]]:
        """A JSON Web Key Set (RFC 7517)."""
        return auth.ctx.keys.jwt.jwks()


def _add_key_routes(routes: Routes, auth: Auth) -> None:
    @routes.get("/v1/auth/api-keys", summary="List API keys", scope=Scope.ACCOUNT_READ)
    async def list_keys(principal: Principal, conn: Connection) -> KeyList:
        """Live keys, newest first, masked."""
        return KeyList(api_keys=[KeyView.of(key) for key in await auth.credentials.keys(conn, principal)])

    @routes.post("/v1/auth/api-keys", summary="Create an API key", scope=Scope.ACCOUNT_WRITE, status=201)
    async def create_key(principal: Principal, conn: Connection, body: NewKeyRequest) -> NewKeyView:
        """It may do no more than what made it. `key` is shown this once."""
        new = await auth.credentials.create_key(
            conn, principal, name=body.name, scopes=body.scopes, expires_at=body.expires_at
        )
        return NewKeyView.reveal(new)

    @routes.delete("/v1/auth/api-keys/{key_id}", summary="Revoke an API key", scope=Scope.ACCOUNT_WRITE)
    async def revoke_key(principal: Principal, conn: Connection, key_id: int) -> Done:
        """It is refused everywhere within 5 seconds."""
        await auth.credentials.revoke_key(conn, principal, key_id)
        return Done()

    # No scope: the caller gets no more than what it gives up.
    @routes.post("/v1/auth/api-key/regenerate", summary="Replace the calling API key", errors=("not_found",))
    async def regenerate_key(principal: Principal, conn: Connection) -> NewKeyView:
        """With a session, the newest key is replaced. `key` is shown this once."""
        new = await auth.credentials.replace_key(conn, principal)
        return NewKeyView.reveal(new)


async def _in_turn(work: Awaitable[T]) -> T:
    try:
        return await work
    except Overloaded:
        busy = "Too many people sign in at this moment. Try again."
        raise ApiError("service_unavailable", busy, headers={"Retry-After": "2"}) from None


def _wrong() -> ApiError:
    return ApiError("unauthorized", "The e-mail address or the password is wrong.")


def _signup_closed() -> ApiError:
    return ApiError("signup_closed", "Sign-up needs a valid invitation, or is closed. Ask the operator for one.")


def _email_taken() -> InvalidField:
    return InvalidField("email", "already has an account; sign in with POST /v1/auth/login")
