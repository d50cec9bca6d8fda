"""The TLS probe: a prober that speaks the handshake itself, so that old versions and weak suites can be asked for."""

from services.scanner.engine.probes.tls.probe import tls

__all__ = ["tls"]
