"""The port probes: which TCP ports are open and who answers there, and UDP services that answer strangers."""

from services.scanner.engine.probes.ports.datagrams import datagrams
from services.scanner.engine.probes.ports.probe import ports
from services.scanner.engine.probes.ports.snmp import snmp

__all__ = ["datagrams", "ports", "snmp"]
