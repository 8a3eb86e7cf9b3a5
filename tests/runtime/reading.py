"""An app that reads the source and records what it sees; its events may be left unacknowledged, or batches lost."""

import asyncio
from typing import Any

import pytest
from faust.transport.consumer import ThreadDelegateConsumer
from faust.types import TP

from streams.runtime.factory import App
from tests.runtime.world import World, wait_until


class RecordingApp:
    """An app whose agent records the events of the source; with `hold_acks` it does not acknowledge them."""

    def __init__(self, world: World, name: str = "dispatch-1", *, hold_acks: bool = False) -> None:
        self.world = world
        self.app = world.make_app(name)
        self.positions: list[tuple[int, int]] = []
        self.values: list[bytes | None] = []
        self.events: list[Any] = []
        self.unacked: dict[int, Any] = {}
        self.hold_acks = hold_acks
        # While it is not set, the agent stays in its first event.
        self.may_continue = asyncio.Event()
        self.may_continue.set()
        self.recheck_count = 0
        self._count_rechecks()

        @self.app.agent(
            self.app.raw_topic(world.topics.outbound), name="reader", isolated_partitions=True
        )
        async def reader(stream) -> None:
            async for event in stream.noack().events():
                self._record(event)
                await self.may_continue.wait()

    def _record(self, event: Any) -> None:
        self.positions.append((event.message.partition, event.message.offset))
        self.values.append(event.value)
        if self.hold_acks:
            self.events.append(event)
            self.unacked[event.message.offset] = event
        else:
            event.ack()

    def _count_rechecks(self) -> None:
        consumer, resync = self.app.typed_consumer, self.app.typed_consumer.resync

        async def counted(partition: TP) -> None:
            self.recheck_count += 1
            await resync(partition)

        consumer.resync = counted  # type: ignore[method-assign]

    def acknowledge(self, *offsets: int) -> None:
        for offset in offsets:
            self.unacked.pop(offset).ack()

    async def wait_for_values(self, *values: bytes) -> None:
        await wait_until(lambda: len(self.values) >= len(values))
        assert self.values == list(values)


def numbered_values(start: int, end: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, end)]


def lose_batch(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Lose the next batch that holds anything, once, after the event is set. Losing it clears the event."""
    losing = asyncio.Event()
    fetch = ThreadDelegateConsumer._getmany

    async def getmany(self: Any, active: Any, timeout: float) -> Any:
        batches = await fetch(self, active, timeout)
        if losing.is_set() and batches:
            losing.clear()
            return {}
        return batches

    monkeypatch.setattr(ThreadDelegateConsumer, "_getmany", getmany)
    return losing


def add_reader(app: App, world: World, values: list[bytes]) -> App:
    """Give the app an agent that appends the values of the source to `values`."""

    @app.agent(app.raw_topic(world.topics.outbound), name="reader", isolated_partitions=True)
    async def reader(stream: Any) -> None:
        async for event in stream.events():
            values.append(event.value)

    return app
