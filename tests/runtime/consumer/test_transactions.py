"""Transactions of other producers, on the real broker: what they abort, and the offsets that they leave."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka.connection import producer_options
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
        await wait_until(lambda: reading.values[-1] == b"more")
        await wait_until(world.has_no_lag)
        await _transaction(transactional, world, [b"aborted"], commit=False)
        await wait_until(world.has_no_lag)  # though nothing is acknowledged after it
        await world.produce([b"plain"])
        await wait_until(lambda: reading.values[-1] == b"plain")
        assert not reading.recheck_count  # the gaps are known to be empty, without a resync
    again = RecordingApp(world)
    async with run_app(again.app):
        await world.produce([b"last"])
        await again.wait_for_values(b"last")
    assert not reading.app.typed_consumer.deleted_counts
