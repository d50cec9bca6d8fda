"""The two credentials, sessions and API keys: given out, recognised, taken back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.auth import api_keys, repository
from services.auth.api_keys import ApiKey
from services.auth.tokens import LIFETIME, InvalidToken, Tokens
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.events import CredentialRevoked
from shared.contracts.principal import Principal, Scope
from shared.database import Connection
from shared.errors import ApiError, InvalidField, NotFound

_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment when its text is known."""

    text: str
    stored: ApiKey


class Credentials:
    """`peppers`: the current one first."""

    def __init__(self, tokens: Tokens, peppers: tuple[bytes, ...], bus: Bus, clock: Clock, ids: Ids) -> None:
        self._tokens = tokens
        self._peppers = peppers
        self._bus = bus
        self._clock = clock
        self._ids = ids

    async def open_session(self, conn: Connection, user_id: int) -> str:
        """The access token of a new session."""
        now = self._clock.now()
        session_id = self._ids.text("ses_")
        await repository.add_session(conn, session_id, user_id, now, now + LIFETIME)
        return self._tokens.issue(user_id=user_id, session_id=session_id, now=now)

    async def end_session(self, conn: Connection, principal: Principal) -> None:
        if principal.session_id is None:
            raise ApiError(
                "invalid_request", "An API key has no session to end. Revoke it with DELETE /v1/auth/api-keys/{id}."
            )
        await repository.end_session(conn, principal.session_id)
        await self._bus.publish(conn, CredentialRevoked(account_id=principal.account_id))

    async def end_sessions(self, conn: Connection, *, account_id: int, user_id: int) -> None:
        await repository.end_sessions(conn, user_id)
        await self._bus.publish(conn, CredentialRevoked(account_id=account_id))

    async def create_key(
        self,
        conn: Connection,
        maker: Principal,
        *,
        name: str,
        scopes: list[Scope] | None = None,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """A key that may do no more, and lives no longer, than what made it."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidField("expires_at", "is in the past")
        exists = await repository.lock_account(conn, maker.account_id)
        live = {key.id: key for key in await self.keys(conn, maker)}
        if not exists or (maker.key_id is not None and maker.key_id not in live):
            raise ApiError("unauthorized", "The credential was revoked.")
        if len(live) >= api_keys.MOST:
            raise ApiError("invalid_request", f"The account has {api_keys.MOST} keys. Revoke one that is not needed.")
        try:
            granted = api_keys.granted(scopes, maker.scopes)
        except api_keys.ScopesExceeded as error:
            raise InvalidField("scopes", str(error)) from None
        if maker.key_id is not None:
            limit = live[maker.key_id].expires_at
            if limit is not None and expires_at is not None and expires_at > limit:
                raise InvalidField("expires_at", "is later than the calling key's own expiry")
            expires_at = expires_at or limit
        return await self._add(
            conn,
            ApiKey(
                id=self._ids.number(),
                account_id=maker.account_id,
                user_id=maker.user_id,
                name=name,
                digest=b"",
                hint="",
                scopes=granted,
                created_at=now,
                expires_at=expires_at,
            ),
        )

    async def keys(self, conn: Connection, principal: Principal) -> list[ApiKey]:
        """The account's live keys, newest first."""
        return await repository.keys(conn, principal.account_id, self._clock.now())

    async def revoke_key(self, conn: Connection, principal: Principal, key_id: int) -> None:
        """Raises `NotFound`."""
        revoked = await repository.revoke_key(conn, principal.account_id, key_id, self._clock.now())
        if revoked is None:
            raise NotFound
        await self._bus.publish(
            conn, CredentialRevoked(account_id=principal.account_id, key_digest=revoked.digest.hex())
        )

    async def replace_key(self, conn: Connection, principal: Principal) -> NewKey:
        """Another key in the place of the calling one, or of the newest for a session. Raises `NotFound`."""
        keys = await self.keys(conn, principal)
        old = next((key for key in keys if principal.key_id in (None, key.id)), None)
        if old is None:
            raise NotFound
        await self.revoke_key(conn, principal, old.id)
        return await self._add(
            conn, replace(old, id=self._ids.number(), created_at=self._clock.now(), last_used_at=None)
        )

    async def introspect(self, conn: Connection, credential: str) -> Principal:
        """Who calls with `credential`; `status` may be "disabled". ApiError: `invalid_api_key` or `unauthorized`."""
        if credential.startswith(api_keys.PREFIX):
            return await self._of_key(conn, credential)
        now = self._clock.now()
        try:
            principal = await repository.session_principal(conn, self._tokens.session_of(credential, now), now)
        except InvalidToken:
            principal = None
        if principal is None:
            raise ApiError("unauthorized", "The access token is not valid any more. Sign in again.")
        return principal

    async def _of_key(self, conn: Connection, key: str) -> Principal:
        now = self._clock.now()
        use = None
        if api_keys.well_formed(key):
            digests = [api_keys.digest(key, pepper) for pepper in self._peppers]
            use = await repository.key_by_digest(conn, digests, now)
        if use is None:
            raise ApiError("invalid_api_key", "The API key is unknown, expired or revoked.")
        key_id = use.principal.key_id
        if key_id is not None and (use.last_used_at is None or now - use.last_used_at >= _USE_NOTED_EVERY):
            await repository.note_key_use(conn, key_id, digests[0], now)
        return use.principal

    async def _add(self, conn: Connection, key: ApiKey) -> NewKey:
        text = api_keys.mint(self._ids.token(api_keys.RANDOM_BYTES))
        stored = replace(key, digest=api_keys.digest(text, self._peppers[0]), hint=api_keys.hint(text))
        await repository.add_key(conn, stored)
        return NewKey(text, stored)
