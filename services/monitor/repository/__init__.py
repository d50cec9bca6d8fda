"""All the SQL of this service, one module a topic."""

from services.monitor.repository import accounts, alerts, certificates, deliveries, domains, endpoints, mails, ticks

__all__ = ["accounts", "alerts", "certificates", "deliveries", "domains", "endpoints", "mails", "ticks"]
