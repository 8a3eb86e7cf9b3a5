"""Events in groups on the real broker: none is lost, repeated or committed early, also in a rebalance."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from streams.runtime.broker.publisher import PartitionRevoked
from streams.runtime.event_groups import MAX_GROUP_EVENTS, process_in_groups
from streams.runtime.factory import App
from tests.runtime.reading import numbered_values
from tests.runtime.world import World, request_rebalance, run_app, wait_until

pytestmark = pytest.mark.broker


class GroupedApp:
    """An app that records its groups; while `may_continue` is not set, it stays in a group."""

    def __init__(self, world: World, name: str = "dispatch-1") -> None:
        self.app: App = world.make_app(name)
        self.groups: list[list[bytes]] = []
        self.may_continue = asyncio.Event()
        self.may_continue.set()
        self.failures: list[Exception] = []  # raised by the next groups

        @self.app.agent(
            self.app.raw_topic(world.topics.outbound), name="reader", isolated_partitions=True
        )
        async def reader(stream: Any) -> None:
            await process_in_groups(self.app, stream, self.handle)

    async def handle(self, events: Sequence[Any]) -> None:
        """Record a group."""
        if self.failures:
            raise self.failures.pop()
        self.groups.append([event.value for event in events])
        await self.may_continue.wait()

    @property
    def values(self) -> list[bytes]:
        """All that was handled, in its order."""
        return [value for group in self.groups for value in group]


async def test_what_arrives_during_a_group_is_the_next_one(world: World) -> None:
    """The first event waits for nothing; a group has a limit; each is committed when it is done."""
    count = 2 * MAX_GROUP_EVENTS
    grouped = GroupedApp(world)
    grouped.may_continue.clear()
    async with run_app(grouped.app):
        await world.produce([b"first"])
        await wait_until(lambda: grouped.groups)
        await world.produce(numbered_values(0, count))
        assert grouped.groups == [[b"first"]]
        await grouped.app.consumer.commit()
        assert await world.read_committed_offset() == 0
        grouped.may_continue.set()
        await wait_until(lambda: len(grouped.values) == count + 1)
        await wait_until(world.has_no_lag)
    assert grouped.values == [b"first", *numbered_values(0, count)]
    assert len(grouped.groups) < count / 2
    assert max(len(group) for group in grouped.groups) <= MAX_GROUP_EVENTS


async def test_a_rebalance_waits_for_the_events_of_a_group(world: World) -> None:
    """Those that wait for the next group are read again after it: all are handled once."""
    grouped = GroupedApp(world)
    grouped.may_continue.clear()
    async with run_app(grouped.app):
        await world.produce(numbered_values(0, 1))
        await wait_until(lambda: grouped.groups)
        await world.produce(numbered_values(1, 20))
        progress = grouped.app.typed_consumer.progress()
        await wait_until(lambda: sum(tracker.next_offset for _, tracker in progress.values()) == 20)
        await request_rebalance(grouped.app)
        grouped.may_continue.set()
        await world.produce(numbered_values(20, 30))
        await wait_until(lambda: len(grouped.values) >= 30)
        await wait_until(world.has_no_lag)
    assert grouped.values == numbered_values(0, 30)


async def test_a_group_that_cannot_be_finished_is_read_again(world: World) -> None:
    """It is not committed, and the worker that gives it up can stop."""
    first, second = GroupedApp(world), GroupedApp(world, "dispatch-2")
    first.failures.append(PartitionRevoked("gone"))
    await world.produce(numbered_values(0, 3))
    async with run_app(first.app):
        await wait_until(lambda: not first.failures)
        await world.produce(numbered_values(3, 5))
    async with run_app(second.app):
        await wait_until(lambda: len(second.values) == 5)
        await wait_until(world.has_no_lag)
    assert (first.values, second.values) == ([], numbered_values(0, 5))
