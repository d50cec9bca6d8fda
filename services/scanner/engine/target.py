"""What may be scanned: a public domain name."""

from shared.domain_name import DomainName as Target
from shared.domain_name import InvalidDomain, parse, registered

__all__ = ["InvalidDomain", "Target", "parse", "registered"]
