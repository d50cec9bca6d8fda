"""Credentials in text, by the issuers' own published key formats; found ones are named and hashed, never kept."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

# Only key types that are secret by design: publishable and browser keys (pk_live_, AIza...) are left out.
_KEYS: Mapping[str, re.Pattern[str]] = {
    "AWS access key with its secret": re.compile(
        r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b[^\0]{1,200}?['\"][A-Za-z0-9/+]{40}['\"]"
    ),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b"),
    "GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{16,80}\b"),
    "Slack webhook": re.compile(r"https://hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24}"),
    "Stripe secret key": re.compile(r"\b[sr]k_live_[A-Za-z0-9]{24,99}\b"),
    "SendGrid key": re.compile(r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"),
    "npm token": re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    "Google OAuth client secret": re.compile(r"\bGOCSPX-[A-Za-z0-9_-]{28}\b"),
    "private key": re.compile(r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----[^-]{100}"),
}

_ASSIGNMENT = re.compile(r"^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]{1,79})[ \t]*=[ \t]*([^\n]{0,1000})", re.MULTILINE)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|dsn|database_url|private|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secret:
    name: str  # the kind of the key, or the variable's name
    sha256: str  # first 16 hex digits of the hash of the value: tells two apart without telling either


def keys(text: str) -> tuple[Secret, ...]:
    """At most 20 keys whose format says that they are secret."""
    found = {Secret(name, _digest(match[0])) for name, pattern in _KEYS.items() for match in _first(pattern, text, 5)}
    return tuple(sorted(found, key=lambda secret: (secret.name, secret.sha256))[:20])


def assignments(text: str) -> tuple[Secret, ...]:
    """The `NAME=value` lines of a dotenv file whose name speaks of a secret and whose value is not empty."""
    found = []
    for match in _first(_ASSIGNMENT, text, 200):
        value = match[2].strip().strip("'\"")
        if value and _SECRET_NAME.search(match[1]):
            found.append(Secret(match[1], _digest(value)))
    return tuple(found[:20])


def _first(pattern: re.Pattern[str], text: str, limit: int) -> Iterator[re.Match[str]]:
    for count, match in enumerate(pattern.finditer(text)):
        if count == limit:
            return
        yield match


def _digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()[:16]
