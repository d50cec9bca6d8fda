"""The two base models and the wire's timestamp."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer


def _utc(value: datetime) -> datetime:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def iso(value: datetime) -> str:
    """ISO 8601 in UTC with `Z`, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[datetime, AfterValidator(_utc), PlainSerializer(iso, return_type=str, when_used="json")]


class Contract(BaseModel):
    """Frozen data that crosses a boundary. Unknown fields are ignored, so that a reader outlives its writer."""

    model_config = ConfigDict(frozen=True, extra="ignore")
