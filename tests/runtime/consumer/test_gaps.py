"""Gaps, on the real broker: a batch that was lost on its way is read again, and none is delivered twice."""

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from faust.types import TP

from streams.kafka import connection
from streams.runtime.consumer.consumer import Consumer
from streams.runtime.consumer.fetch import FetchBatch
from streams.runtime.watchdog import WatchdogTimeouts
from tests.runtime.reading import RecordingApp, lose_batch, numbered_values
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker


async def test_a_whole_batch_that_was_lost_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The next batch reveals the gap."""
    reading = RecordingApp(world)
    losing = lose_batch(monkeypatch)
    async with run_app(reading.app):
        losing.set()
        await world.produce(numbered_values(0, 10))
        await wait_until(lambda: not losing.is_set())
        await world.produce(numbered_values(10, 20))
        await reading.wait_for_values(*numbered_values(0, 20))


async def test_the_last_record_of_a_partition_is_not_lost_either(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """No later record reveals that it is missing; the watchdog sees that the end is not reached."""
    reading = RecordingApp(world)
    reading.app.watchdog.timeouts = WatchdogTimeouts(
        60.0, 60.0, resync_after_s=0.3, check_interval_s=0.1
    )
    losing = lose_batch(monkeypatch)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 9))
        await reading.wait_for_values(*numbered_values(0, 9))
        losing.set()
        await world.produce(numbered_values(9, 10))
        await reading.wait_for_values(*numbered_values(0, 10))


async def test_a_record_that_comes_twice_is_delivered_once(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Records that were fetched before a seek back come again after it."""
    deliver = Consumer._deliver

    async def twice(self: Consumer, partition: TP, batch: FetchBatch) -> None:
        await deliver(self, partition, batch)
        await deliver(self, partition, batch)

    monkeypatch.setattr(Consumer, "_deliver", twice)
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(world.has_no_lag)
        await reading.wait_for_values(*numbered_values(0, 10))


async def test_compacted_records_are_not_a_gap(world: World):
    """Offsets that compaction removed are crossed as if nothing had been there."""
    await _compact_quickly(world)
    for start in range(0, 400, 40):
        for number in range(start, start + 40):
            await world.produce([b"%d" % number], key=b"%d" % (number % 50), partition=0)
    await wait_until(lambda: _is_compacted(world))
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await wait_until(world.has_no_lag)
        numbers = [int(value) for value in reading.values if value != b"roll"]
        assert numbers == sorted(set(numbers))
        assert set(range(350, 400)) <= set(numbers) < set(range(400))
        assert not reading.recheck_count
    assert not reading.app.typed_consumer.deleted_counts


async def _compact_quickly(world: World) -> None:
    topic = {
        "cleanup.policy": "compact",
        "segment.bytes": "1048576",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": "0",
    }
    async with connection.admin_client(world.settings) as client:
        for kind, name, config in (
            (ConfigResourceType.TOPIC, world.topics.outbound, topic),
            (ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": "100"}),
        ):
            answers = await client.alter_configs([ConfigResource(kind, name, config)])
            assert not [
                resource for answer in answers for resource in answer.resources if resource[0]
            ], answers


async def _is_compacted(world: World) -> bool:
    """Segments roll with their next record, and what is in the last one is never compacted."""
    await world.produce([b"roll"], key=b"roll", partition=0)
    return len(await world.read_topic(world.topics.outbound)) < 200
