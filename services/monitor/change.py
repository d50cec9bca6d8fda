"""The body of a PATCH: what is absent stays as it is, and null is no value of any field."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


def _as_on_the_wire(schema: dict[str, Any]) -> None:
    """None is how Python says absent: on the wire there is neither null nor a default."""
    for field in schema["properties"].values():
        field.pop("default", None)
        for shape in field.pop("anyOf", ()):
            if shape != {"type": "null"}:
                field.update(shape)


class Change(BaseModel):
    """Fields are of type `T | None = None`; None means absent."""

    model_config = ConfigDict(json_schema_extra=_as_on_the_wire)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("must not be null; leave it out to keep it as it is")
        return value
