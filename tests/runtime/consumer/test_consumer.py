"""Nothing is lost, committed past or handed out twice: on the real broker, with records made to go astray."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.fetch import FetchRequest
from faust.transport import consumer as faust_consumer
from faust.types import TP

from streams.kafka import connection
from streams.kafka.connection import client_options, producer_options
from streams.runtime.consumer import consumer
from streams.runtime.consumer.consumer import MAX_UNACKED_BYTES
from streams.runtime.exit_codes import ExitCode
from streams.runtime.watchdog import WatchdogTimeouts
from tests.runtime.reading import RecordingApp, numbered_values
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker


@pytest.fixture
async def transactional(world: World) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **producer_options(world.settings), transactional_id=world.settings.topic_prefix
    )
    await producer.start()
    yield producer
    await producer.stop()


async def _transaction(
    producer: AIOKafkaProducer, world: World, values: list[bytes], *, commit: bool
) -> None:
    await producer.begin_transaction()
    for value in values:
        await producer.send_and_wait(world.topics.outbound, value, key=b"k", partition=0)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def test_aborted_records_are_not_delivered_and_leave_no_lag(
    world: World, transactional: AIOKafkaProducer
):
    """Transaction markers are offsets too, also at the very end of a partition."""
    for number in range(6):
        values = numbered_values(10 * number, 10 * number + 5)
        await _transaction(transactional, world, values, commit=number % 2 == 0)
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await reading.wait_for_values(
            *numbered_values(0, 5), *numbered_values(20, 25), *numbered_values(40, 45)
        )
        await wait_until(world.has_no_lag)
        await _transaction(transactional, world, [b"more"], commit=True)
        await _transaction(transactional, world, [b"aborted"], commit=False)
        await wait_until(lambda: reading.values[-1] == b"more")
        await wait_until(world.has_no_lag)
        await world.produce([b"plain"])
        await wait_until(lambda: reading.values[-1] == b"plain")
        assert not reading.recheck_count  # what lies between is known, not looked for
    again = RecordingApp(world)
    async with run_app(again.app):
        await world.produce([b"last"])
        await again.wait_for_values(b"last")
    assert not reading.app.typed_consumer.deleted_counts


async def test_gaps_leave_nothing_in_memory(world: World, transactional: AIOKafkaProducer):
    """Every transaction leaves a gap, and Faust would keep a record of all of them."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        for number in range(6):
            await _transaction(
                transactional, world, numbered_values(number, number + 1), commit=True
            )
        await reading.wait_for_values(*numbered_values(0, 6))
        await wait_until(world.has_no_lag)
        assert not any(reading.app.typed_consumer._gap.values())


async def test_a_fetch_does_not_delay_other_requests(world: World):
    """The broker answers the requests of one connection in order, and a fetch waits for records."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        asked: list[int] = []
        client: Any = reading.app.typed_consumer._thread._ensure_consumer()._client
        send = client.send

        async def noted(node: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, FetchRequest):
                asked.append(request._max_wait_ms)
            return await send(node, request, **options)

        client.send = noted
        await wait_until(lambda: len(asked) > 1)
        assert max(asked) <= 200


async def test_a_record_that_was_lost_on_its_way_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Single records that are lost between aiokafka and the agent are sought back and delivered in order."""
    reading = RecordingApp(world)
    _lose(monkeypatch, {5, 12, 13})
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 20))
        await reading.wait_for_values(*numbered_values(0, 20))
        await wait_until(world.has_no_lag)


async def test_a_whole_batch_that_was_lost_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The next batch reveals the gap."""
    reading = RecordingApp(world)
    losing = _lose_answers(monkeypatch)
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
    _lose(monkeypatch, {9})
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await reading.wait_for_values(*numbered_values(0, 10))


def _lose(monkeypatch: pytest.MonkeyPatch, offsets: set[int]) -> None:
    """Lose these records of the source, once each, where Faust hands them on."""
    hand_on = faust_consumer.Consumer.getmany

    async def getmany(self: Any, timeout: float) -> AsyncIterator[Any]:
        async for partition, message in hand_on(self, timeout):
            if message.offset in offsets and not self._is_changelog_tp(partition):
                offsets.discard(message.offset)
            else:
                yield partition, message

    monkeypatch.setattr(faust_consumer.Consumer, "getmany", getmany)


def _lose_answers(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """While the event is set, lose the next answer that holds anything, once."""
    losing = asyncio.Event()
    fetch = faust_consumer.ThreadDelegateConsumer._getmany

    async def getmany(self: Any, active: Any, timeout: float) -> Any:
        answers = await fetch(self, active, timeout)
        if losing.is_set() and answers:
            losing.clear()
            return {}
        return answers

    monkeypatch.setattr(faust_consumer.ThreadDelegateConsumer, "_getmany", getmany)
    return losing


async def test_a_record_that_comes_twice_is_delivered_once(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Records that were fetched before a seek back come again after it."""
    hand_on = faust_consumer.Consumer.getmany

    async def twice(self: Any, timeout: float) -> AsyncIterator[Any]:
        async for partition, message in hand_on(self, timeout):
            yield partition, message
            yield partition, message

    monkeypatch.setattr(faust_consumer.Consumer, "getmany", twice)
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
            assert not [each for answer in answers for each in answer.resources if each[0]], answers


async def _is_compacted(world: World) -> bool:
    """Segments roll with their next record, and what is in the last one is never compacted."""
    await world.produce([b"roll"], key=b"roll", partition=0)
    return len(await world.read_topic(world.topics.outbound)) < 200


async def test_records_deleted_while_down_are_counted(world: World):
    """Reading continues with the first record that the log still has."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await reading.wait_for_values(*numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    await world.produce(numbered_values(10, 30))
    await _delete(world, before=25)
    again = RecordingApp(world)
    async with run_app(again.app):
        await again.wait_for_values(*numbered_values(25, 30))
        await wait_until(world.has_no_lag)
        assert again.app.typed_consumer.deleted_counts == {(world.topics.outbound, 0): 15}


async def test_records_deleted_to_the_end_while_down_are_counted_at_once(world: World):
    """No later record reveals it."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    await world.produce(numbered_values(10, 30))
    await _delete(world, before=30)
    again = RecordingApp(world)
    async with run_app(again.app):
        assert again.app.typed_consumer.deleted_counts == {(world.topics.outbound, 0): 20}
        await wait_until(world.has_no_lag)


async def test_records_deleted_while_running_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Every record is either delivered once or counted as deleted."""
    reading = RecordingApp(world)
    losing = _lose_answers(monkeypatch)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await reading.wait_for_values(*numbered_values(0, 10))
        losing.set()
        await world.produce(numbered_values(10, 30))
        await wait_until(lambda: not losing.is_set())
        await _delete(world, before=25)
        await world.produce([b"30"])
        await wait_until(lambda: b"30" in reading.values)
        assert set(numbered_values(25, 31)) < set(reading.values)
        lost = 30 - len(set(reading.values) - {b"30"})
        assert reading.app.typed_consumer.deleted_counts[world.topics.outbound, 0] == lost > 0
        assert len(reading.values) == len(set(reading.values))


async def test_records_deleted_before_the_first_start_are_not_counted(world: World):
    """A new group starts with the first record that the log has."""
    await world.produce(numbered_values(0, 10))
    await _delete(world, before=10)
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce([b"x"])
        await reading.wait_for_values(b"x")
        await wait_until(world.has_no_lag)
        assert not reading.app.typed_consumer.deleted_counts


async def test_a_commit_beyond_the_end_of_the_log_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The log was truncated, for instance by a power failure, and rows may carry offsets that will be used again."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    left: list[ExitCode] = []
    monkeypatch.setattr(consumer, "terminate", lambda code, why: left.append(code))
    again = RecordingApp(world)

    async def ends(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 9)

    monkeypatch.setattr(again.app.typed_consumer, "highwaters", ends)
    async with run_app(again.app):
        assert left == [ExitCode.TOPIC_RECREATED]


async def _delete(world: World, before: int) -> None:
    partition = TopicPartition(world.topics.outbound, 0)
    async with connection.admin_client(world.settings) as client:
        await client.delete_records({partition: RecordsToDelete(before)})


async def test_a_partition_full_of_bytes_is_not_read_further(world: World):
    """However few its records are; the other partitions go on."""
    size = 1_000_000
    room = MAX_UNACKED_BYTES // size + 1
    reading = RecordingApp(world, hold_acks=True)
    async with run_app(reading.app):
        await world.produce([b"x" * size] * 30, partition=0)
        await wait_until(lambda: len(reading.positions) >= room)
        for other in range(1, 21):
            await world.produce([b"other"], partition=1)
            await wait_until(lambda: reading.values.count(b"other") == other)  # noqa: B023
        assert len(reading.positions) - 20 <= room + 1
        reading.hold_acks = False
        for event in reading.events:
            event.ack()
        await wait_until(lambda: len(reading.positions) == 50)


async def test_records_of_every_compression_and_shape_are_read(world: World):
    """All codecs, and records without a key or without a value."""
    shapes: list[tuple[bytes | None, bytes | None]] = [
        (b"k", b"v"),
        (None, b"v"),
        (b"k", None),
        (b"", b""),
    ]
    for kind in ("gzip", "snappy", "lz4", "zstd"):
        producer = AIOKafkaProducer(**client_options(world.settings), compression_type=kind)
        await producer.start()
        for key, value in shapes:
            await producer.send_and_wait(world.topics.outbound, value, key=key, partition=0)
        await producer.stop()
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await reading.wait_for_values(*([value for _, value in shapes] * 4))
        await wait_until(world.has_no_lag)
