"""The facts that services tell each other, and who hears which. Append only: no field is ever removed or changed."""

from types import MappingProxyType
from typing import Any, ClassVar, Literal

from shared.contracts.base import Contract, Timestamp
from shared.contracts.plans import Limits
from shared.contracts.report import Grade, Module, RiskLevel, Severity, Source


class Event(Contract):
    """A fact in the past tense. `NAME` is the routing key; `key` names the aggregate it is about."""

    NAME: ClassVar[str]

    @property
    def key(self) -> str:
        raise NotImplementedError


class AccountCreated(Event):
    NAME: ClassVar[str] = "account.created.v1"
    account_id: int
    user_id: int
    email: str
    plan: str
    created_at: Timestamp

    @property
    def key(self) -> str:
        return str(self.account_id)


class AccountDisabled(Event):
    NAME: ClassVar[str] = "account.disabled.v1"
    account_id: int
    version: int

    @property
    def key(self) -> str:
        return str(self.account_id)


class AccountDeleted(Event):
    NAME: ClassVar[str] = "account.deleted.v1"
    account_id: int

    @property
    def key(self) -> str:
        return str(self.account_id)


class CredentialRevoked(Event):
    """A hint that empties a cache entry: a key by its digest, or all sessions of an account."""

    NAME: ClassVar[str] = "credential.revoked.v1"
    account_id: int
    key_digest: str | None = None

    @property
    def key(self) -> str:
        return str(self.account_id)


class SubscriptionChanged(Event):
    """The plan an account has from now on. `version` grows; a projection is written only with a newer one."""

    NAME: ClassVar[str] = "subscription.changed.v1"
    account_id: int
    version: int
    plan: str
    limits: Limits
    status: str  # Stripe's word: "active", "past_due", "canceled", ...
    changed_at: Timestamp

    @property
    def key(self) -> str:
        return str(self.account_id)


class ScanQueued(Event):
    """A doorbell: it carries no work and only wakes the claim loop."""

    NAME: ClassVar[str] = "scan.queued.v1"
    job_id: str

    @property
    def key(self) -> str:
        return self.job_id


class FindingRef(Contract):
    id: str
    module: Module
    severity: Severity
    asset: str
    title: str
    fingerprint: str


class CertificateFact(Contract):
    host: str
    port: int
    not_after: Timestamp
    issuer: str
    sha256: str


class ScanFacts(Contract):
    """What was observed that monitoring compares, each with whether it was tested at all."""

    certificates: tuple[CertificateFact, ...] = ()
    certificates_tested: bool = False
    nameservers: tuple[str, ...] = ()
    nameservers_tested: bool = False
    mx: tuple[str, ...] = ()
    mx_tested: bool = False
    open_ports: tuple[str, ...] = ()  # "host:port"
    open_ports_tested: bool = False


class ScanCompleted(Event):
    NAME: ClassVar[str] = "scan.completed.v1"
    job_id: str
    account_id: int | None  # None: a free scan
    domain: str
    monitored_domain_id: int | None
    source: Source
    full: bool  # all modules were asked for and it is no free scan: may feed badge, last_score and alerts
    score: int
    grade: Grade
    risk_level: RiskLevel
    coverage: float
    unavailable: tuple[str, ...] = ()  # checks left out by our doing; only scans that lack the same are comparable
    total_issues: int
    critical_issues: int
    high_issues: int
    medium_issues: int
    low_issues: int
    module_scores: dict[Module, int | None]
    findings: tuple[FindingRef, ...]  # at most 500, most severe first
    facts: ScanFacts
    scanned_at: Timestamp
    scan_duration_ms: int

    @property
    def key(self) -> str:
        return self.job_id


class ScanFailed(Event):
    NAME: ClassVar[str] = "scan.failed.v1"
    job_id: str
    account_id: int | None
    domain: str
    monitored_domain_id: int | None
    source: Source
    reason: str
    failed_at: Timestamp

    @property
    def key(self) -> str:
        return self.job_id


class DomainDue(Event):
    """A monitored domain's tick: scanner queues one uncharged scan a tick."""

    NAME: ClassVar[str] = "domain.due.v1"
    tick_id: int
    domain_id: int
    account_id: int
    domain: str
    scheduled_for: Timestamp

    @property
    def key(self) -> str:
        return str(self.domain_id)


class DomainChanged(Event):
    """A monitored domain was added, changed or removed."""

    NAME: ClassVar[str] = "domain.changed.v1"
    domain_id: int
    account_id: int
    version: int
    domain: str
    badge_enabled: bool
    removed: bool = False

    @property
    def key(self) -> str:
        return str(self.domain_id)


class AlertRaised(Event):
    NAME: ClassVar[str] = "alert.raised.v1"
    alert_id: int
    account_id: int
    domain_id: int
    domain: str
    alert_type: Literal["score_drop", "critical_issue", "cert_expiry", "config_change", "scan_failed"]
    severity: Severity
    raised_at: Timestamp

    @property
    def key(self) -> str:
        return str(self.alert_id)


class ReportIssued(Event):
    NAME: ClassVar[str] = "report.issued.v1"
    report_id: str
    job_id: str
    account_id: int
    domain: str
    sha256: str
    issued_at: Timestamp

    @property
    def key(self) -> str:
        return self.report_id


# event -> (publisher, consumers). Every process declares all of it before its relay starts.
TOPOLOGY: MappingProxyType[type[Event], tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        AccountCreated: ("auth", ("billing", "monitor")),
        AccountDisabled: ("auth", ("scanner", "monitor")),
        AccountDeleted: ("auth", ("billing", "scanner", "monitor", "reports")),
        CredentialRevoked: ("auth", ()),
        SubscriptionChanged: ("billing", ("auth", "scanner", "monitor")),
        ScanQueued: ("scanner", ("scanner",)),
        ScanCompleted: ("scanner", ("monitor", "reports")),
        ScanFailed: ("scanner", ("monitor",)),
        DomainDue: ("monitor", ("scanner",)),
        DomainChanged: ("monitor", ("reports", "scanner")),
        AlertRaised: ("monitor", ()),
        ReportIssued: ("reports", ()),
    }
)

# Events that every gateway instance hears on a queue of its own, which dies with it.
BROADCAST: tuple[type[Event], ...] = (CredentialRevoked, AccountDisabled)

BY_NAME: MappingProxyType[str, type[Event]] = MappingProxyType({event.NAME: event for event in TOPOLOGY})


class Envelope(Contract):
    """What is on the wire: an event with its identity and its trace."""

    id: str  # UUID; the same over every redelivery
    name: str
    key: str
    occurred_at: Timestamp
    correlation_id: str | None = None
    traceparent: str | None = None
    data: dict[str, Any]
