"""The publisher, on the real broker: order, partitions, and records that are too large."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from streams.runtime.broker.publisher import OutgoingRecord, RecordTooLarge
from streams.runtime.factory import App
from streams.runtime.table import DurableTable
from tests.runtime.producer.producing import make_app
from tests.runtime.world import WAIT_TIMEOUT_S, World, run_app

# It does not compress, so its size on the broker is its length.
NOISE = random.Random(1).randbytes(9_000_000)

pytestmark = pytest.mark.broker


@pytest.fixture
async def running(world: World) -> AsyncIterator[tuple[App, DurableTable]]:
    """A running app and its table."""
    app, rows = make_app(world)
    async with run_app(app):
        yield app, rows


@pytest.fixture
def app(running: tuple[App, DurableTable]) -> App:
    """The app."""
    return running[0]


@pytest.fixture
def rows(running: tuple[App, DurableTable]) -> DurableTable:
    """Its table."""
    return running[1]


async def test_published_records_are_on_the_broker_in_their_order(world: World, app: App):
    """They have their headers, and the position that `publish` returns."""
    topic = world.topics.status
    metadata = await app.publisher.publish(
        topic, b"first", key=b"k", partition=1, headers=[("h", b"1"), ("none", None)]
    )
    assert (metadata.partition, metadata.offset) == (1, 0)
    await app.publisher.publish_all(
        [OutgoingRecord(topic, b"%d" % number, b"k", 1) for number in range(50)]
    )
    records = await world.read_topic(topic)
    assert [record.value for record in records] == [
        b"first",
        *(b"%d" % number for number in range(50)),
    ]
    assert records[0].headers == (("h", b"1"), ("none", None))


async def test_without_a_partition_the_key_chooses_as_in_java(world: World, app: App):
    """The key selects the same partition as for every other producer."""
    metadata = await app.publisher.publish(world.topics.status, b"x", key=b"+60123456789")
    other = await world.producer.send_and_wait(world.topics.status, b"x", key=b"+60123456789")
    assert metadata.partition == other.partition


async def test_a_record_too_large_for_the_broker_is_reported_and_harms_no_other(
    world: World, app: App
):
    """An idempotent producer with a gap in its sequence numbers would be refused for ever after."""
    status = world.topics.status  # takes 1 MiB
    await app.publisher.publish(status, b"before", partition=0)
    with pytest.raises(RecordTooLarge):
        await app.publisher.publish(status, NOISE[:3_000_000], partition=0)
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        assert (await app.publisher.publish(status, b"after", partition=0)).offset == 1
        assert (await app.publisher.publish(status, b"after", partition=1)).offset == 0


async def test_a_record_too_large_for_a_request_is_reported(
    app: App, world: World, rows: DurableTable
):
    """This holds for records and rows, and later writes succeed."""
    with pytest.raises(RecordTooLarge):
        await app.publisher.publish(world.topics.status, NOISE, partition=0)
    with pytest.raises(RecordTooLarge):
        await rows.write(0, [(b"k", NOISE)])
    assert rows.get(0, b"k") is None
    await rows.write(0, [(b"k", b"x")])
    assert rows.get(0, b"k") == b"x"
