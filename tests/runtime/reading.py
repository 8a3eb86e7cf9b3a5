"""An app that reads the source and notes what it sees; its events may be kept open."""

import asyncio
from typing import Any

from faust.types import TP

from tests.runtime.world import World, until


class Reading:
    """An app whose one agent notes the events of the source, and keeps those in `keep` unacknowledged."""

    def __init__(self, world: World, name: str = "dispatch-1", *, keep: bool = False) -> None:
        self.world = world
        self.app = world.app(name)
        self.seen: list[tuple[int, int]] = []
        self.values: list[bytes | None] = []
        self.events: list[Any] = []
        self.kept: dict[int, Any] = {}
        self.keep = keep
        self.go_on = asyncio.Event()  # while it is not set, the agent stays in its first event
        self.go_on.set()
        self.looked = 0
        self._count_looks()

        @self.app.agent(
            self.app.raw_topic(world.topics.outbound), name="reader", isolated_partitions=True
        )
        async def reader(stream) -> None:
            async for event in stream.noack().events():
                self._see(event)
                await self.go_on.wait()

    def _see(self, event: Any) -> None:
        self.seen.append((event.message.partition, event.message.offset))
        self.values.append(event.value)
        if self.keep:
            self.events.append(event)
            self.kept[event.message.offset] = event
        else:
            event.ack()

    def _count_looks(self) -> None:
        consumer, look_again = self.app.typed_consumer, self.app.typed_consumer.resync

        async def counted(partition: TP) -> None:
            self.looked += 1
            await look_again(partition)

        consumer.resync = counted  # type: ignore[method-assign]

    def acknowledge(self, *offsets: int) -> None:
        for offset in offsets:
            self.kept.pop(offset).ack()

    async def has_seen(self, *values: bytes) -> None:
        await until(lambda: len(self.values) >= len(values))
        assert self.values == list(values)


def numbered(start: int, end: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, end)]
