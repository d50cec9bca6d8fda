"""Auth's settings."""

from typing import Literal

from pydantic import Field

from shared.settings import ServiceSettings


class AuthSettings(ServiceSettings):
    signup: Literal["open", "invite", "closed"] = Field(
        "open", description="`open`, `invite` (with a code of `compliancelayer admin create-invite`) or `closed`"
    )
