"""The port probe: about 100 TCP ports, and who answers there."""

from services.scanner.engine.probes.ports.probe import ports

__all__ = ["ports"]
