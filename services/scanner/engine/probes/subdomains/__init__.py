"""Names below the domain: `probe` finds them, `records` follows where they lead, `hosts` looks at what is there."""

from services.scanner.engine.probes.subdomains.probe import subdomains

__all__ = ["subdomains"]
