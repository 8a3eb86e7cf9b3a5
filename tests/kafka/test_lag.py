"""The lag of a group, on the real broker."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.kafka import admin, connection, lag, topics
from streams.kafka.admin import InvalidTopics
from streams.kafka.lag import PartitionLag
from streams.settings import Settings

pytestmark = pytest.mark.broker

GROUP = "readers"


@pytest.fixture
async def status(settings: Settings) -> str:
    """The topic of status events, with ten records in its partition 1."""
    await admin.create_topics(settings)
    topic = topics.names(settings).status
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, partition=1)
    return topic


async def _commit(settings: Settings, part: TopicPartition, offset: int) -> None:
    group = f"{settings.topic_prefix}-{GROUP}"
    async with AIOKafkaConsumer(
        **connection.client_options(settings), group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign([part])
        await consumer.commit({part: offset})


async def _read(settings: Settings, topic: str) -> dict[int, PartitionLag]:
    read = await lag.read_lag(settings, f"{settings.topic_prefix}-{GROUP}", [topic])
    return {part.partition: lag for part, lag in read.items() if part.topic == topic}


async def test_without_a_commit_everything_is_lag(settings: Settings, status: str) -> None:
    """A group that never existed lags by all records of every partition."""
    nothing = PartitionLag(None, 0, 0)
    ten = PartitionLag(None, 0, 10)
    assert await _read(settings, status) == {0: nothing, 1: ten, 2: nothing, 3: nothing}
    assert (nothing.lag, ten.lag, ten.lost_records) == (0, 10, 0)


async def test_committed_records_are_not_lag(settings: Settings, status: str) -> None:
    """The committed offset is the next to be read; one connection serves many readings."""
    part = TopicPartition(status, 1)
    async with lag.open_lag_reader(settings) as reader:
        for offset, lag_records in ((4, 6), (10, 0)):
            await _commit(settings, part, offset)
            read = await reader.read(f"{settings.topic_prefix}-{GROUP}", [status])
            assert read[part] == PartitionLag(offset, 0, 10)
            assert read[part].lag == lag_records


async def test_records_removed_unread_are_lost(settings: Settings, status: str) -> None:
    """Records that the log no longer has are counted separately: nobody can still read them."""
    part = TopicPartition(status, 1)
    await _commit(settings, part, 2)
    async with connection.admin_client(settings) as client:
        await client.delete_records({part: RecordsToDelete(7)})
    partition_lag = (await _read(settings, status))[1]
    assert partition_lag == PartitionLag(2, 7, 10)
    assert (partition_lag.lag, partition_lag.lost_records) == (3, 5)


async def test_a_topic_that_does_not_exist_is_reported(settings: Settings) -> None:
    """It is not a lag of zero: somebody forgot to create the topic."""
    with pytest.raises(InvalidTopics, match="nowhere: found no such topic"):
        await lag.read_lag(settings, GROUP, ["nowhere"])
