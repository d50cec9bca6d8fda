"""What auth's routes take and answer."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.auth.accounts import Account, User, normalise_email
from services.auth.api_keys import ApiKey
from services.auth.credentials import NewKey
from services.auth.tokens import LIFETIME
from shared.contracts.base import Timestamp
from shared.contracts.principal import Scope

Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(normalise_email)]
Password = Annotated[str, Field(min_length=8, max_length=128, repr=False)]


class LoginRequest(BaseModel):
    email: Email
    password: Password


class SignupRequest(LoginRequest):
    invite_code: str | None = Field(None, max_length=64, description="needed where sign-up is by invitation")


class PasswordChange(BaseModel):
    current_password: Password
    new_password: Password


class UserView(BaseModel):
    id: int
    email: str
    plan: str
    email_verified: bool
    created_at: Timestamp


class SignedIn(BaseModel):
    access_token: str
    token: str = Field(description="the same as `access_token`")
    token_type: Literal["bearer"] = Field("bearer")
    expires_in: int = Field(description="seconds")
    user: UserView

    @classmethod
    def of(cls, token: str, user: User, account: Account) -> Self:
        view = UserView(
            id=user.id,
            email=user.email,
            plan=account.plan,
            email_verified=user.email_verified,
            created_at=user.created_at,
        )
        return cls(access_token=token, token=token, expires_in=int(LIFETIME.total_seconds()), user=view)


class Profile(UserView):
    """The part of `GET /v1/auth/me` that auth knows."""

    api_key: str | None = Field(description="the newest key, masked")
    scan_limit: int
    domain_limit: int
    subscription_status: str | None
    oauth_provider: None = None

    @classmethod
    def of(cls, user: User, account: Account, newest: ApiKey | None) -> Self:
        return cls(
            id=user.id,
            email=user.email,
            plan=account.plan,
            email_verified=user.email_verified,
            created_at=user.created_at,
            api_key=newest.hint if newest else None,
            scan_limit=account.limits.scans_per_month,
            domain_limit=account.limits.domains,
            subscription_status=account.subscription_status,
        )


class NewKeyRequest(BaseModel):
    name: str = Field("API key", min_length=1, max_length=100)
    scopes: list[Scope] | None = Field(
        None, min_length=1, max_length=len(Scope), description="what it may do; by default all but `account:write`"
    )
    expires_at: Timestamp | None = Field(None, description="by default it does not expire")


class KeyView(BaseModel):
    id: int
    name: str
    masked_key: str
    scopes: list[Scope]
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.id,
            name=key.name,
            masked_key=key.hint,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
        )


class NewKeyView(KeyView):
    key: str = Field(description="the key itself; it is not shown again")

    @classmethod
    def reveal(cls, new: NewKey) -> Self:
        return cls(**KeyView.of(new.stored).model_dump(), key=new.text)


class KeyList(BaseModel):
    api_keys: list[KeyView]


class Done(BaseModel):
    ok: Literal[True] = True


class Introspection(BaseModel):
    credential: str = Field(max_length=4096, repr=False)


class FirstAccount(BaseModel):
    email: str
    password: str | None = Field(description="None when the account was there already")
    key: str
