"""The TLS probes: what is offered and accepted, which certificate is shown, and how far that is trusted."""

from services.scanner.engine.probes.tls.flaws import tls_flaws
from services.scanner.engine.probes.tls.probe import tls

__all__ = ["tls", "tls_flaws"]
