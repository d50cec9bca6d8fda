"""Settings from the environment (`CL_*`), checked once at the start; a wrong one is answered with its remedy."""

import difflib
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

PREFIX = "CL_"

S = TypeVar("S", bound="ServiceSettings")


class SettingError(Exception):
    """A setting stops the start. The text names it, what is wrong and the remedy."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    for part in parts:
        if not re.fullmatch(r"\d+=\d+", part):
            raise ValueError(f"{part!r} is not of the form port=port")
    return dict(part.split("=") for part in parts)


def _absolute(value: Path | None) -> Path | None:
    return value.expanduser().absolute() if value is not None else None


Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_split)]
PortMap = Annotated[dict[Port, Port], BeforeValidator(_pairs)]
File = Annotated[Path, AfterValidator(_absolute)]


class ServiceSettings(BaseModel):
    """What every service may read; each adds its own fields. A `description` completes the phrase "Set it to ..."."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    environment: Literal["development", "production"] = Field(
        "development", description="`development`, or `production`, which makes no keys and takes no test settings"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )
    public_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^/\s]+$",
        description="scheme and host that clients use, such as https://api.example.com",
    )
    support_url: str | None = Field(None, description="where people get help; it is named in every 500")
    data_dir: File = Field(Path(".data"), description="a folder for all that the fleet keeps on disk")
    keys_dir: File | None = Field(None, description="the folder of the keys (default: `keys` in the data folder)")
    bus_url: str = Field(
        "local:", pattern=r"^(local:|amqps?://\S+)$", description="`local:`, or amqp://user:password@host/vhost"
    )
    cache_url: str = Field(
        "memory:", pattern=r"^(memory:|(rediss?|unix)://\S+)$", description="`memory:`, or redis://host:6379/0"
    )
    database_url: str | None = Field(
        None,
        pattern=r"^postgres(ql)?://\S*$",
        description="a PostgreSQL as postgresql://user:password@host/database; unset, the fleet starts one of its own",
    )
    plans_file: File | None = Field(None, description="a TOML file like shared/contracts/plans.toml")
    default_plan: str | None = Field(
        None, description="the plan of a new account (default: `free` with a Stripe key, else `agency`)"
    )
    stripe_secret_key: SecretStr | None = Field(None, description="Stripe's secret key; unset, billing is off")
    dns_servers: Names = Field((), description="recursive resolvers as host:port,... (default: the system's)")
    trust_ca_file: File | None = Field(
        None, description="a PEM file of root certificates to trust beside the usual ones"
    )
    egress_allow: Networks = Field(
        (), description="networks (CIDR, comma-separated) that may be reached though not public"
    )
    egress_deny: Networks = Field((), description="networks (CIDR, comma-separated) that may never be reached")
    scan_port_map: PortMap = Field(
        {}, description="port=port,... (a lab's): each port that a scan or webhook names, and the one to connect to"
    )
    fault: str | None = Field(None, description="for tests only: a named point at which the process kills itself")

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def plan_of_new_accounts(self) -> str:
        return self.default_plan or ("free" if self.stripe_secret_key else "agency")

    @property
    def keys_path(self) -> Path:
        return self.keys_dir or self.data_dir / "keys"

    @model_validator(mode="after")
    def _production_is_explicit(self) -> "ServiceSettings":
        if self.production and self.default_plan is None:
            raise ValueError("CL_DEFAULT_PLAN is not set, and production needs it: set it to a plan, such as free")
        if self.production and self.fault is not None:
            raise ValueError("CL_FAULT is for tests only; unset it in production")
        return self


class FleetSettings(ServiceSettings):
    """What the process itself reads beside its services: its sockets, and the means to migrate."""

    host: str = Field("127.0.0.1", description="the address to listen on")
    port: Port = Field(8080, description="the port to listen on; 0 takes a free one")
    metrics_port: Port = Field(9464, description="the internal port of /metrics; 0 takes a free one")
    database_passwords_file: File | None = Field(
        None, description="a JSON object of service and password, for the roles that `migrate` makes"
    )
    test_bus_url: str | None = Field(None, description="for tests only: a RabbitMQ to use")
    test_cache_url: str | None = Field(None, description="for tests only: a Redis to use")

    @model_validator(mode="after")
    def _no_test_settings_in_production(self) -> "FleetSettings":
        if self.production and (self.test_bus_url or self.test_cache_url):
            raise ValueError("CL_TEST_BUS_URL and CL_TEST_CACHE_URL are for tests only; unset them in production")
        return self


def load(kind: type[S], environ: Mapping[str, str], **given: Any) -> S:
    """`kind` from `environ`; `given` fields win. Empty variables count as unset. SettingError."""
    values: dict[str, str] = {}
    for name in kind.model_fields:
        text = environ.get(variable(name), "").strip()
        if text:
            values[name] = text
    known_given = {name: value for name, value in given.items() if name in kind.model_fields}
    try:
        return kind.model_validate(values | known_given)
    except ValidationError as error:
        raise SettingError(_sentence(kind, error, values)) from error


def variable(field: str) -> str:
    """The environment variable of a settings field."""
    return PREFIX + field.upper()


def unknown(environ: Mapping[str, str], kinds: Iterable[type[ServiceSettings]]) -> list[str]:
    """A sentence for each `CL_*` variable that none of `kinds` has, with the nearest name."""
    names = {variable(field) for kind in kinds for field in kind.model_fields}
    sentences = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in names):
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
        remedy = f"did you mean {near[0]}?" if near else "unset it."
        sentences.append(f"{name} is not a setting: {remedy}")
    return sentences


def _sentence(kind: type[ServiceSettings], error: ValidationError, values: Mapping[str, str]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{message}."
    field = str(first["loc"][0])
    info = kind.model_fields[field]
    shown = "" if "secret" in field else f" {_without_password(values.get(field, ''))!r}"
    default = "" if info.is_required() or not info.default else f", or unset it for {info.default}"
    reason = message[:1].lower() + message[1:]
    return f"{variable(field)}:{shown} is not accepted ({reason}). Set it to {info.description}{default}."


def _without_password(text: str) -> str:
    return re.sub(r"://([^:/@\s]*):[^@\s]*@", r"://\1:***@", text)
