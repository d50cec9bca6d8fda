"""A process of three services on one bus, and what can be asked of it."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.bus import MessageBus, ServiceBus, connect
from shared.clock import Clock, Ids
from shared.contracts.events import AccountDeleted, Envelope, Event
from shared.database import Connection, Database
from shared.metrics import Metrics

WAIT_SECONDS = 60
RETRY_DELAYS = (0.05, 0.1)
EFFECTS = "create table effect (what text not null);"  # the migration that every service of a World needs


class World:
    """A process that runs auth, billing and scanner on one bus; `restart` is another one on the same data."""

    def __init__(self, url: str, databases: dict[str, Database]) -> None:
        self.url = url
        self.databases = databases
        self.metrics = Metrics()
        self.bus = self._new_bus()

    def _new_bus(self) -> MessageBus:
        bus = connect(self.url, clock=Clock(), ids=Ids(), metrics=self.metrics, retry_delays=RETRY_DELAYS)
        self.services = {name: bus.bind(name, database) for name, database in self.databases.items()}
        self.gateway = bus.bind("gateway", None)
        return bus

    @property
    def auth(self) -> ServiceBus:
        return self.services["auth"]

    @property
    def billing(self) -> ServiceBus:
        return self.services["billing"]

    async def start(self) -> None:
        await self.bus.start()
        await self.bus.consume()

    async def restart(self) -> None:
        await self.bus.close()
        self.bus = self._new_bus()

    async def publish(self, *events: Event) -> None:
        async with self.databases["auth"].transaction() as conn:
            for event in events:
                await self.auth.publish(conn, event)

    async def effects(self) -> list[str]:
        async with self.databases["billing"].connection() as conn:
            return [row["what"] for row in await conn.fetch("select what from effect order by what")]

    def outcomes(self, outcome: str) -> int:
        label = f'outcome="{outcome}"'
        lines = self.metrics.render().decode().splitlines()
        return int(
            sum(float(line.split()[-1]) for line in lines if line.startswith("bus_events_total{") and label in line)
        )


def deleted(number: int) -> AccountDeleted:
    return AccountDeleted(account_id=number)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():
            await asyncio.sleep(0.01)


async def effects_are(world: World, *expected: int) -> None:
    async def reached() -> bool:
        return await world.effects() == [str(number) for number in expected]

    await eventually(reached)


async def outcomes_are(world: World, outcome: str, expected: int) -> None:
    async def reached() -> bool:
        return world.outcomes(outcome) == expected

    await eventually(reached)


async def connected(world: World) -> None:
    async def reached() -> bool:
        return world.bus.degraded() == []

    await eventually(reached)


async def write(conn: Connection, event: AccountDeleted, _: Envelope) -> None:
    await conn.execute("insert into effect values ($1)", event.key)
