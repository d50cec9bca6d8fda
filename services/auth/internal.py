"""What only the gateway and the embedded fleet ask of auth."""

import base64

from services.auth import registration, repository
from services.auth.messages import FirstAccount, Introspection
from services.auth.routes import Auth
from shared.contracts.principal import Principal, Scope
from shared.database import Connection
from shared.errors import NotFound
from shared.routes import Routes

FIRST_EMAIL = "owner@local.test"
FIRST_KEY_NAME = "make run"


def build(auth: Auth) -> Routes:
    routes = Routes("Internal")

    @routes.post("/internal/introspect", summary="Who calls with a credential", internal=True)
    async def introspect(conn: Connection, body: Introspection) -> Principal:
        """The principal, which may be disabled; 401 `invalid_api_key` or `unauthorized`."""
        return await auth.credentials.introspect(conn, body.credential)

    @routes.post("/internal/bootstrap", summary="A first account", internal=True)
    async def bootstrap(conn: Connection) -> FirstAccount:
        """The local account with a new key, which takes the place of the last one given out here."""
        ctx = auth.ctx
        if ctx.settings.production:
            raise NotFound
        user = await repository.user_by_email(conn, FIRST_EMAIL)
        password = None
        if user is None:
            password = base64.b32encode(ctx.ids.token(10)).decode().lower()
            user = await registration.register(
                conn,
                ctx.bus,
                ctx.ids,
                email=FIRST_EMAIL,
                password_hash=await auth.passwords.hash(password),
                plan=ctx.plans[ctx.settings.plan_of_new_accounts],
                now=ctx.clock.now(),
            )
        account = await repository.account(conn, user.account_id)
        owner = Principal(
            account_id=account.id,
            user_id=user.id,
            scopes=frozenset(Scope),
            plan=account.plan,
            limits=account.limits,
            status=account.status,
        )
        for key in await auth.credentials.keys(conn, owner):
            if key.name == FIRST_KEY_NAME:
                await auth.credentials.revoke_key(conn, owner, key.id)
        new = await auth.credentials.create_key(conn, owner, name=FIRST_KEY_NAME)
        return FirstAccount(email=user.email, password=password, key=new.text)

    return routes
