"""What a broker must have: exchanges, a queue a consumer, the retry steps, the dead letters, and the markers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.contracts.events import TOPOLOGY

TIMEOUT = 10.0  # seconds, each declaration
REDELIVERIES = 20  # of a message whose consumer dies with it; then the broker gives it up

# A message moves to its next queue before it leaves its own, and a full queue refuses instead of dropping.
_SAFE: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-overflow": "reject-publish",
    "x-dead-letter-strategy": "at-least-once",
}


@dataclass(frozen=True)
class Topology:
    """`prefix` keeps several installations on one virtual host apart."""

    prefix: str
    retry_delays: Sequence[float]

    @property
    def exchange(self) -> str:
        return f"{self.prefix}compliancelayer"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}compliancelayer.dead"

    def queue(self, service: str, event: str) -> str:
        return f"{self.prefix}{service}.{event}"

    def retry(self, delay: float) -> str:
        """An exchange and its one queue, which holds a message for `delay` seconds and returns it to its own queue."""
        return f"{self.prefix}compliancelayer.retry.{int(delay * 1000)}"

    def marker(self, service: str) -> str:
        """A queue that stands for "this broker has had all that `service` published": gone with the broker's disk."""
        return f"{self.prefix}compliancelayer.marker.{service}"

    @property
    def queues(self) -> list[tuple[str, str]]:
        """Each consumer's queue, with the event it is for."""
        return [
            (self.queue(consumer, event.NAME), event.NAME)
            for event, (_, consumers) in TOPOLOGY.items()
            for consumer in consumers
        ]

    async def declare(self, channel: AbstractChannel) -> None:
        """All of it but the markers; what exists stays as it is."""
        exchange = await channel.declare_exchange(self.exchange, ExchangeType.TOPIC, durable=True, timeout=TIMEOUT)
        await self._pair(channel, self.dead_letters, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000})
        for delay in self.retry_delays:
            back = {"x-message-ttl": int(delay * 1000), "x-dead-letter-exchange": ""}
            await self._pair(channel, self.retry(delay), _SAFE | back)
        for name, event in self.queues:
            given_up = {
                "x-delivery-limit": REDELIVERIES,
                "x-dead-letter-exchange": self.dead_letters,
                "x-dead-letter-routing-key": name,
            }
            queue = await channel.declare_queue(name, durable=True, arguments=_SAFE | given_up, timeout=TIMEOUT)
            await queue.bind(exchange, event, timeout=TIMEOUT)

    async def _pair(self, channel: AbstractChannel, name: str, arguments: dict[str, Any]) -> None:
        """A fan-out exchange with one queue: the routing key stays free to say where a message came from."""
        exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True, timeout=TIMEOUT)
        queue = await channel.declare_queue(name, durable=True, arguments=arguments, timeout=TIMEOUT)
        await queue.bind(exchange, timeout=TIMEOUT)
