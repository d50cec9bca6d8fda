"""The body of a PATCH: what is absent stays as it is, and null is no value of any field."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


def _without_defaults(schema: dict[str, Any]) -> None:
    """JSON Schema has no word for a field that may be absent but not null: it has no default."""
    for field in schema["properties"].values():
        field.pop("default", None)


class Change(BaseModel):
    """Fields are of type `T | SkipJsonSchema[None] = None`, where None means absent."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("must not be null; leave it out to keep it as it is")
        return value
