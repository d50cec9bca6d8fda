"""Credentials in text, by the issuers' own published key formats; found ones are named and hashed, never kept."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import log2

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
    "Slack app token": re.compile(r"\bxapp-\d-[A-Z0-9]{8,14}-\d{10,14}-[a-f0-9]{32,80}\b"),
    "OpenAI key": re.compile(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,90}T3BlbkFJ[A-Za-z0-9_-]{20,90}"),
    "Anthropic key": re.compile(r"\bsk-ant-(?:api|admin)\d{2}-[A-Za-z0-9_-]{80,110}"),
    "DigitalOcean token": re.compile(r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    "Shopify token": re.compile(r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    "Mailgun key": re.compile(r"\bkey-[a-f0-9]{32}\b"),
    "Mailchimp key": re.compile(r"\b[a-f0-9]{32}-us\d{1,2}\b"),
    "Telegram bot token": re.compile(r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    "Square secret": re.compile(r"\bsq0csp-[A-Za-z0-9_-]{43}\b"),
    "PyPI token": re.compile(r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,200}"),
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z]{34}\b"),
    "Linear key": re.compile(r"\blin_api_[A-Za-z0-9]{40}\b"),
    "private key": re.compile(r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----[^-]{100}"),
}
# Text that every match of the pattern holds: most scripts hold none, and are passed over without the pattern.
_HINTS: Mapping[str, tuple[str, ...]] = {
    "AWS access key with its secret": ("AKIA", "ASIA"),
    "GitHub token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "GitLab token": ("glpat-",),
    "Slack token": ("xox",),
    "Slack webhook": ("hooks.slack.com",),
    "Stripe secret key": ("k_live_",),
    "SendGrid key": ("SG.",),
    "npm token": ("npm_",),
    "Google OAuth client secret": ("GOCSPX-",),
    "Slack app token": ("xapp-",),
    "OpenAI key": ("T3BlbkFJ",),
    "Anthropic key": ("sk-ant-",),
    "DigitalOcean token": ("_v1_",),
    "Shopify token": ("shpat_", "shpca_", "shppa_", "shpss_"),
    "Mailgun key": ("key-",),
    "Mailchimp key": ("-us",),
    "Telegram bot token": (":AA",),
    "Square secret": ("sq0csp-",),
    "PyPI token": ("pypi-AgEIcHlwaS5vcmc",),
    "Hugging Face token": ("hf_",),
    "Linear key": ("lin_api_",),
    "private key": ("PRIVATE KEY",),
}
_LEAST_ENTROPY = 1.3  # bits a character: below are fillers such as xxxx or 1234123412341234
_EXAMPLE = re.compile(r"example|sample|placeholder|your[_-]|dummy|x{6}|0{8}|12345678|abcdefgh", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?:<.*>|\$\{.*\}|\{\{.*\}\}|%.*%|your[ _-].*|change[ _-]?(?:me|this|it).*|x{3,}|\*+|\.+|null|none|nil|undefined|"
    r"todo|tbd|true|false|example|placeholder|insert[ _-].*)",
    re.IGNORECASE,
)

_ASSIGNMENT = re.compile(r"^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]{1,79})[ \t]*=[ \t]*([^\n]{0,1000})", re.MULTILINE)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|dsn|database_url|private|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secret:
    name: str  # the kind of the key, or the variable's name
    sha256: str  # first 16 hex digits of the hash of the value: tells two apart without telling either


def keys(text: str) -> tuple[Secret, ...]:
    """At most 20 keys whose format says that they are secret."""
    found = {
        Secret(name, _digest(match[0]))
        for name, pattern in _KEYS.items()
        if any(hint in text for hint in _HINTS[name])
        for match in _first(pattern, text, 5)
        if not _filler(match[0])
    }
    return tuple(sorted(found, key=lambda secret: (secret.name, secret.sha256))[:20])


def _filler(value: str) -> bool:
    """Whether it stands in a text as an example of a key, and is none."""
    counts = Counter(value)
    entropy = -sum(count / len(value) * log2(count / len(value)) for count in counts.values())
    return entropy < _LEAST_ENTROPY or _EXAMPLE.search(value) is not None


def assignments(text: str) -> tuple[Secret, ...]:
    """The `NAME=value` lines of a dotenv file whose name speaks of a secret and whose value is not empty."""
    found = []
    for match in _first(_ASSIGNMENT, text, 200):
        value = match[2].strip().strip("'\"")
        if value and _SECRET_NAME.search(match[1]) and not _PLACEHOLDER.fullmatch(value):
            found.append(Secret(match[1], _digest(value)))
    return tuple(found[:20])


def _first(pattern: re.Pattern[str], text: str, limit: int) -> Iterator[re.Match[str]]:
    for count, match in enumerate(pattern.finditer(text)):
        if count == limit:
            return
        yield match


def _digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()[:16]
