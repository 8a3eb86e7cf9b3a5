"""Acknowledgements, rebalances and stops: what is being worked on is waited for, and never committed past."""

import asyncio

import pytest

from streams.kafka.app import App
from tests.kafka.reading import Reading, numbered
from tests.kafka.world import World, running, until

pytestmark = pytest.mark.broker


async def test_events_may_be_acknowledged_in_any_order(world: World):
    """What is committed never passes the oldest event that is being worked on."""
    reading = Reading(world, keep=True)
    async with running(reading.app):
        await world.produce(numbered(0, 10))
        await until(lambda: len(reading.kept) == 10)
        reading.acknowledge(9, 1, 2, 4)
        await reading.app.consumer.commit()
        assert await world.committed() == 0
        reading.acknowledge(0)
        await until(lambda: _committed(world, 3))
        reading.acknowledge(3, 8, 7, 6, 5)
        await until(world.behind_nothing)
    assert [offset for _, offset in reading.seen] == list(range(10))


async def _committed(world: World, offset: int) -> bool:
    return await world.committed() == offset


async def test_stopping_waits_for_events_that_are_being_worked_on(world: World):
    reading = Reading(world, keep=True)
    async with running(reading.app):
        await world.produce(numbered(0, 3))
        await until(lambda: len(reading.kept) == 3)
        reading.acknowledge(1)
        stopping = asyncio.ensure_future(reading.app.stop())
        await until(lambda: reading.app.should_stop)
        done, _ = await asyncio.wait([stopping], timeout=1.5)  # longer than Faust looks
        assert not done
        reading.acknowledge(2, 0)
        await stopping
    assert await world.committed() == 3


async def test_a_rebalance_waits_for_events_that_are_being_worked_on(world: World):
    """And afterwards each event was seen once, by one or the other."""
    first, second = Reading(world, keep=True), Reading(world, "dispatch-2")
    async with running(first.app):
        for partition in range(4):
            await world.produce(numbered(0, 5), partition=partition)
        await until(lambda: len(first.seen) == 20)
        async with asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(second.app.start())
            await until(lambda: first.app.rebalancing)
            done, _ = await asyncio.wait([joining], timeout=1.5)  # longer than Faust looks
            assert not done
            for event in first.events:
                event.ack()
        await until(lambda: first.app.readiness().ready and second.app.readiness().ready)
        first.keep = False
        await world.produce([b"after"], partition=0)
        await world.produce([b"after"], partition=3)
        await until(lambda: len(first.seen) + len(second.seen) >= 22)
        await until(world.behind_nothing)
        assert len(first.seen + second.seen) == len({*first.seen, *second.seen}) == 22
        assert second.seen
        await second.app.stop()


async def test_who_stops_keeps_its_partitions_until_its_events_are_done(world: World):
    """Even if the group regroups meanwhile: Faust would leave it at once, and go on working."""
    first, second = Reading(world, keep=True), Reading(world, "dispatch-2")
    async with running(first.app):
        await world.produce(numbered(0, 2))
        await until(lambda: len(first.kept) == 2)
        stopping = asyncio.ensure_future(first.app.stop())
        joining = asyncio.ensure_future(second.app.start())
        await until(lambda: first.app.rebalancing)
        done, _ = await asyncio.wait([stopping, joining], timeout=2.0)
        assert not done
        assert not second.seen
        first.acknowledge(0, 1)
        await asyncio.gather(stopping, joining)
        await until(lambda: second.app.readiness().ready)
        await world.produce([b"2"])
        await second.has_seen(b"2")
        await second.app.stop()


async def test_what_was_acknowledged_before_a_rebalance_is_not_done_again(world: World):
    """Faust forgets, at each, what was acknowledged since the last commit."""
    first, second = Reading(world), Reading(world, "dispatch-2")
    for each in (first.app, second.app):
        each.safe_consumer.commit_interval = 3600.0
    async with running(first.app):
        for partition in range(4):
            await world.produce(numbered(0, 5), partition=partition)
        await until(lambda: len(first.seen) == 20)
        async with running(second.app):
            await until(lambda: first.app.readiness().ready)
            await until(world.behind_nothing)
            assert len(first.seen) == 20
            assert not second.seen


async def test_every_assignment_has_a_number_of_its_own(world: World):
    """The group's generation stays when a member rejoins that asks for nothing new."""
    first, second = Reading(world), Reading(world, "dispatch-2")
    async with running(first.app), running(second.app):
        await until(lambda: first.app.readiness().ready)
        before = second.app.consumer_generation_id
        coordinator = second.app.safe_consumer._thread._ensure_consumer()._coordinator
        coordinator._client._loop.call_soon_threadsafe(coordinator.request_rejoin)
        await until(lambda: second.app.consumer_generation_id > before + 1)
        await until(lambda: second.app.readiness().ready)


def test_resuming_keeps_what_is_in_the_queues(world: World):
    app: App = world.app()
    queue = app.FlowControlQueue(maxsize=10, clear_on_resume=True)
    queue.put_nowait("handed out since")
    app.flow_control.resume()
    assert queue.qsize() == 1
