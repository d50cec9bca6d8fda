"""Prometheus metrics of one process, in a registry of its own."""

from collections.abc import Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Makes metrics, and gives the one already made when several services of a process ask for the same name."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made: dict[str, MetricWrapperBase] = {}
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        return self._get(Counter, name, documentation, labels)

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        return self._get(Gauge, name, documentation, labels)

    def histogram(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Histogram:
        return self._get(Histogram, name, documentation, labels)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

    def _get(self, kind: type[M], name: str, documentation: str, labels: Sequence[str]) -> M:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = kind(name, documentation, labels, registry=self._registry)
        if not isinstance(made, kind):
            raise ValueError(f"metric {name} exists already as a {type(made).__name__.lower()}")
        return made
