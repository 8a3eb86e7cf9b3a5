"""Fetches on the real broker: how long they wait, how much they bring, and every form of record."""

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from streams.kafka.connection import client_options
from streams.runtime.consumer.consumer import MAX_QUEUED_RECORDS, MAX_UNACKED_BYTES
from streams.runtime.consumer.fetch import MAX_TAKEN_BYTES
from tests.runtime.reading import RecordingApp, numbered_values
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker


async def test_a_fetch_does_not_delay_other_requests(world: World):
    """The broker answers the requests of one connection in order, and a fetch waits for records."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        wait_times_ms: list[int] = []
        client: Any = reading.app.typed_consumer._thread._ensure_consumer()._client
        send = client.send

        async def noted(node: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, FetchRequest):
                wait_times_ms.append(request._max_wait_ms)
            return await send(node, request, **options)

        client.send = noted
        await wait_until(lambda: len(wait_times_ms) > 1)
        assert max(wait_times_ms) <= 200


async def test_a_partition_full_of_bytes_is_not_read_further(world: World):
    """This holds however few its records are and however small they are compressed; the other partitions go on."""
    size = 1_000_000
    room = MAX_UNACKED_BYTES // size + 1
    reading = RecordingApp(world, hold_acks=True)
    await world.produce([b"x" * size] * 30, partition=0)  # one fetch brings them all
    async with run_app(reading.app):
        await wait_until(lambda: len(reading.positions) >= room)
        for other in range(1, 21):
            await world.produce([b"other"], partition=1)
            await wait_until(lambda: reading.values.count(b"other") == other)  # noqa: B023
        assert len(reading.positions) - 20 <= room + MAX_TAKEN_BYTES // size
        reading.hold_acks = False
        for event in reading.events:
            event.ack()
        await wait_until(lambda: len(reading.positions) == 50)


async def test_a_partition_full_of_records_is_not_read_further(world: World):
    """This holds however small they are; when the agent has taken most of them, all are read."""
    count = 5 * MAX_QUEUED_RECORDS
    reading = RecordingApp(world)
    reading.may_continue.clear()
    async with run_app(reading.app):
        await world.produce(numbered_values(0, count), partition=0)
        _, tracker = reading.app.typed_consumer.progress()[TP(world.topics.outbound, 0)]
        await wait_until(lambda: tracker.next_offset > MAX_QUEUED_RECORDS)
        await world.produce([b"other"], partition=1)
        _, other = reading.app.typed_consumer.progress()[TP(world.topics.outbound, 1)]
        await wait_until(lambda: other.next_offset == 1)
        assert tracker.next_offset < count
        reading.may_continue.set()
        await wait_until(lambda: len(reading.values) == count + 1)
        await wait_until(world.has_no_lag)


async def test_records_of_every_compression_and_shape_are_read(world: World):
    """All codecs are read, and so are records without a key or a value."""
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
