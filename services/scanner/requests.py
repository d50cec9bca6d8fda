"""What clients send to the scanner."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, model_validator

from services.scanner.engine.target import InvalidDomain, Target, parse
from services.scanner.scans import ALL_MODULES, Asked
from shared.contracts.problem import FieldError
from shared.contracts.report import JobStatus, Module, Profile
from shared.errors import ApiError

IsoDate = Annotated[date, BeforeValidator(date.fromisoformat)]  # pydantic alone would take seconds since 1970 too
DomainText = Annotated[str, Field(min_length=1, max_length=2048, examples=["example.com"])]


class ScanRequest(BaseModel):
    domain: DomainText
    modules: Annotated[list[Module], Field(min_length=1, max_length=50)] | None = None
    profile: Profile = Profile.STANDARD
    intrusive: StrictBool = False

    def asked(self) -> Asked:
        """ApiError invalid_domain."""
        modules = tuple(sorted(set(self.modules))) if self.modules else ALL_MODULES
        return Asked(target(self.domain).domain, modules, self.profile, self.intrusive)


class FreeScanRequest(BaseModel):
    domain: DomainText


class BatchRequest(BaseModel):
    domains: Annotated[list[DomainText], Field(min_length=1, max_length=50)]
    sort_by: Literal["risk", "domain"] = "risk"


class CompareRequest(BaseModel):
    domains: Annotated[list[DomainText], Field(min_length=2, max_length=50)]


class DomainScanRequest(BaseModel):
    """A scan of a monitored domain, asked for by the gateway on its owner's behalf."""

    domain: DomainText
    monitored_domain_id: int


class ReportQuery(BaseModel):
    format: Literal["json", "csv", "html"] | None = None
    include: Literal["raw"] | None = None


class HistoryQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 100
    domain: Annotated[str, Field(max_length=2048)] | None = None
    status: JobStatus | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None


class UsageQuery(BaseModel):
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError("start_date must not be after end_date")
        return self

    def period(self, now: datetime) -> tuple[date, date]:
        """Both ends included; the current month by default."""
        end = self.end_date or now.date()
        return self.start_date or min(now.date().replace(day=1), end), end


def day_start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_end(day: date) -> datetime:
    """The first instant after `day`; the last representable one at the calendar's end."""
    return day_start(day) + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC)


def target(text: str, field: str = "domain") -> Target:
    """ApiError invalid_domain, with the reason."""
    try:
        return parse(text)
    except InvalidDomain as error:
        raise ApiError("invalid_domain", str(error), errors=(FieldError(field=field, message=str(error)),)) from None


def targets(texts: list[str], at_least: int = 1) -> list[str]:
    """Each domain once, in the order given."""
    domains = list(dict.fromkeys(target(text, f"domains[{index}]").domain for index, text in enumerate(texts)))
    if len(domains) < at_least:
        message = f"name at least {at_least} different domains"
        raise ApiError("invalid_request", message, errors=(FieldError(field="domains", message=message),))
    return domains
