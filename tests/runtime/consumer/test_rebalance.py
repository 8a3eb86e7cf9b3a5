"""Acknowledgements, rebalances and stops: events in progress are waited for, and never committed past."""

import asyncio
import shutil
from typing import Any

import pytest
from faust.types import TP

from streams.kafka.topics import ROWS
from streams.runtime.table import DurableTable
from tests.runtime.reading import RecordingApp, numbered_values
from tests.runtime.world import WAIT_TIMEOUT_S, World, request_rebalance, run_app, wait_until

pytestmark = pytest.mark.broker


async def test_events_may_be_acknowledged_in_any_order(world: World):
    """A commit never passes the oldest event in progress."""
    reading = RecordingApp(world, hold_acks=True)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(lambda: len(reading.unacked) == 10)
        reading.acknowledge(9, 1, 2, 4)
        await reading.app.consumer.commit()
        assert await world.read_committed_offset() == 0
        reading.acknowledge(0)
        await wait_until(lambda: _committed(world, 3))
        reading.acknowledge(3, 8, 7, 6, 5)
        await wait_until(world.has_no_lag)
    assert [offset for _, offset in reading.positions] == list(range(10))


async def _committed(world: World, offset: int) -> bool:
    return await world.read_committed_offset() == offset


async def test_stopping_waits_for_events_in_progress(world: World):
    """All of them are committed when the app has stopped."""
    reading = RecordingApp(world, hold_acks=True)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 3))
        await wait_until(lambda: len(reading.unacked) == 3)
        reading.acknowledge(1)
        stopping = asyncio.ensure_future(reading.app.stop())
        await wait_until(lambda: reading.app.should_stop)
        done, _ = await asyncio.wait(
            [stopping], timeout=1.5
        )  # longer than the interval at which Faust checks
        assert not done
        reading.acknowledge(2, 0)
        await stopping
    assert await world.read_committed_offset() == 3


async def test_a_rebalance_waits_for_events_in_progress(world: World):
    """Afterwards, each event has been seen once, by one worker or the other."""
    first, second = RecordingApp(world, hold_acks=True), RecordingApp(world, "dispatch-2")
    async with run_app(first.app):
        await _sees_twenty(first)
        async with asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(second.app.start())
            await wait_until(lambda: first.app.rebalancing)
            done, _ = await asyncio.wait(
                [joining], timeout=1.5
            )  # longer than the interval at which Faust checks
            assert not done
            for event in first.events:
                event.ack()
        await wait_until(lambda: first.app.readiness().is_ready and second.app.readiness().is_ready)
        first.hold_acks = False
        await world.produce([b"after"], partition=0)
        await world.produce([b"after"], partition=3)
        await wait_until(lambda: len(first.positions) + len(second.positions) >= 22)
        await wait_until(world.has_no_lag)
        assert (
            len(first.positions + second.positions)
            == len({*first.positions, *second.positions})
            == 22
        )
        assert second.positions
        await second.app.stop()


async def test_a_worker_that_stops_keeps_its_partitions_until_its_events_are_done(world: World):
    """This holds even if the group rebalances meanwhile; Faust would leave it at once, and go on working."""
    first, second = RecordingApp(world, hold_acks=True), RecordingApp(world, "dispatch-2")
    async with run_app(first.app):
        await world.produce(numbered_values(0, 2))
        await wait_until(lambda: len(first.unacked) == 2)
        stopping = asyncio.ensure_future(first.app.stop())
        joining = asyncio.ensure_future(second.app.start())
        await wait_until(lambda: first.app.rebalancing)
        done, _ = await asyncio.wait([stopping, joining], timeout=2.0)
        assert not done
        assert not second.positions
        first.acknowledge(0, 1)
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await asyncio.gather(stopping, joining)
        await wait_until(lambda: second.app.readiness().is_ready)
        await world.produce([b"2"])
        await second.wait_for_values(b"2")
        await second.app.stop()


async def test_events_acknowledged_before_a_rebalance_are_not_processed_again(world: World):
    """In each rebalance, Faust forgets the acknowledgements since the last commit."""
    first, second = RecordingApp(world), RecordingApp(world, "dispatch-2")
    for app in (first.app, second.app):
        app.typed_consumer.commit_interval = 3600.0
    async with run_app(first.app):
        await _sees_twenty(first)
        await _joins_and_finds_all_done(first, second)


async def _sees_twenty(reading: RecordingApp) -> None:
    """Events, five of each partition."""
    for partition in range(4):
        await reading.world.produce(numbered_values(0, 5), partition=partition)
    await wait_until(lambda: len(reading.positions) == 20)


async def _joins_and_finds_all_done(first: RecordingApp, second: RecordingApp) -> None:
    async with run_app(second.app):
        await wait_until(lambda: first.app.readiness().is_ready)
        await wait_until(first.world.has_no_lag)
        assert len(first.positions) == 20
        assert not second.positions


async def test_every_assignment_has_a_number_of_its_own(world: World):
    """The group's generation stays the same when a member rejoins that requests nothing new."""
    first, second = RecordingApp(world), RecordingApp(world, "dispatch-2")
    async with run_app(first.app), run_app(second.app):
        await wait_until(lambda: first.app.readiness().is_ready)
        before = second.app.consumer_generation_id
        await request_rebalance(second.app)
        await wait_until(lambda: second.app.consumer_generation_id > before + 1)
        await wait_until(lambda: second.app.readiness().is_ready)


async def test_events_acknowledged_at_the_last_moment_are_not_processed_again(world: World):
    """Faust would forget what is acknowledged between its last commit and the revocation."""
    first, second = RecordingApp(world, hold_acks=True), RecordingApp(world, "dispatch-2")
    consumer = first.app.typed_consumer
    revoked = consumer.on_partitions_revoked

    async def at_the_last_moment(partitions: set[TP]) -> None:
        first.hold_acks = False
        for event in first.events:
            event.ack()
        await revoked(partitions)

    async with run_app(first.app):
        await _sees_twenty(first)
        consumer.on_partitions_revoked = at_the_last_moment  # type: ignore[method-assign]
        await _joins_and_finds_all_done(first, second)


async def test_a_seek_that_a_revocation_overtook_delivers_nothing(world: World):
    """It was for partitions that may belong to another worker by now."""
    reading = RecordingApp(world)
    app, consumer = reading.app, reading.app.typed_consumer
    initial_trackers, perform_seek = consumer._initial_trackers, consumer.perform_seek
    overtaken: list[bool] = []

    async def slowly() -> Any:
        trackers = await initial_trackers()
        if not overtaken:
            generation = app.consumer_generation_id
            await request_rebalance(app)
            await wait_until(lambda: app.consumer_generation_id > generation)
        return trackers

    async def noted() -> None:
        await perform_seek()
        overtaken.append(not consumer.is_delivering and not consumer.progress())

    consumer._initial_trackers = slowly  # type: ignore[method-assign]
    consumer.perform_seek = noted  # type: ignore[method-assign]
    assigned = consumer.on_partitions_assigned

    async def after_the_seek(*given: Any) -> None:
        if app.rebalancing_count > 1:
            await wait_until(lambda: overtaken)
        await assigned(*given)

    consumer.on_partitions_assigned = after_the_seek  # type: ignore[method-assign]
    async with run_app(app):
        assert overtaken[0]
        await world.produce([b"x"])
        await reading.wait_for_values(b"x")


async def test_a_batch_that_comes_when_the_flow_has_stopped_is_not_delivered(world: World):
    """A rebalance is under way: the events in progress are waited for, and no other one may begin."""
    reading = RecordingApp(world)
    consumer = reading.app.typed_consumer
    wait_next = consumer._wait_next_records
    batches: list[Any] = []

    async def noted(timeout: float) -> Any:
        batch = await wait_next(timeout)
        batches.append(batch)
        return batch

    async with run_app(reading.app):
        consumer._wait_next_records = noted  # type: ignore[method-assign]
        await wait_until(lambda: batches)  # from now on every batch is noted
        batches.clear()
        consumer.stop_flow()
        await world.produce([b"x"], partition=0)
        await wait_until(lambda: batches)
        _, tracker = consumer.progress()[TP(world.topics.outbound, 0)]
        assert tracker.next_offset == 0
        consumer.resume_flow()
        await request_rebalance(reading.app)
        await reading.wait_for_values(b"x")


@pytest.fixture
async def recovering(world: World) -> RecordingApp:
    """An app that has rows to recover at its start, and ten events to work on after it.

    During a recovery everything flows, though no source record may be delivered yet.
    """
    before = RecordingApp(world)
    rows = DurableTable(before.app, ROWS)
    async with run_app(before.app):
        await rows.write(0, [(b"k", b"v")])
    shutil.rmtree(before.app.conf.appdir)
    await world.produce(numbered_values(0, 10))
    reading = RecordingApp(world)
    DurableTable(reading.app, ROWS)
    return reading


async def test_records_fetched_before_the_seek_are_delivered_once(recovering: RecordingApp):
    """They are delivered after it, without a resync, because the seek goes back before them."""
    consumer = recovering.app.typed_consumer
    perform_seek, fetch = consumer.perform_seek, consumer._getmany
    fetched: set[str] = set()

    async def noted(active: Any, timeout: float) -> Any:
        answers = await fetch(active, timeout)
        fetched.update(batch.topic for batch in answers)
        return answers

    async def late() -> None:
        await wait_until(lambda: recovering.world.topics.outbound in fetched)
        await perform_seek()

    consumer._getmany = noted  # type: ignore[method-assign]
    consumer.perform_seek = late  # type: ignore[method-assign]
    async with run_app(recovering.app):
        await wait_until(recovering.world.has_no_lag)
        await recovering.wait_for_values(*numbered_values(0, 10))
        assert not recovering.recheck_count


async def test_resuming_keeps_the_queued_records(recovering: RecordingApp):
    """The flow is resumed right after the seek; Faust would empty all queues then."""
    consumer, perform_seek = (
        recovering.app.typed_consumer,
        recovering.app.typed_consumer.perform_seek,
    )
    recovering.may_continue.clear()

    async def resumed_late() -> None:
        await perform_seek()
        source = TP(recovering.world.topics.outbound, 0)
        await wait_until(lambda: consumer.progress()[source][1].next_offset == 10)

    consumer.perform_seek = resumed_late  # type: ignore[method-assign]
    async with run_app(recovering.app):
        recovering.may_continue.set()
        await recovering.wait_for_values(*numbered_values(0, 10))
        await wait_until(recovering.world.has_no_lag)
