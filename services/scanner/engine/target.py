"""What may be scanned: a public domain name."""

from shared.domain_name import DomainName as Target
from shared.domain_name import InvalidDomain, parse

__all__ = ["InvalidDomain", "Target", "parse"]
