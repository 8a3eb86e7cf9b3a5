"""A reader of a topic that gets more partitions while it reads."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewPartitions, NewTopic

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka.connection import admin_client, producer_options
from streams.kafka.reader import open_reader
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker


async def test_added_partitions_are_read_and_no_record_comes_twice(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """A subscription of aiokafka begins at the oldest record again when a partition is added."""
    settings = make_settings(broker, tmp_path)
    topic = f"{settings.topic_prefix}.grows"
    async with (
        admin_client(settings) as admin,
        AIOKafkaProducer(**producer_options(settings)) as producer,
    ):
        await admin.create_topics([NewTopic(topic, 1, 1)])
        await producer.send_and_wait(topic, b"old", partition=0)
        async with (
            asyncio.timeout(30),
            open_reader(settings, topic, metadata_age_s=0.1) as reader,
        ):
            records = reader.follow()
            assert (await anext(records)).value == b"old"
            await admin.create_partitions({topic: NewPartitions(total_count=2)})
            async with AIOKafkaProducer(**producer_options(settings)) as later_producer:
                await later_producer.send_and_wait(topic, b"added", partition=1)
            assert (await anext(records)).value == b"added"
            await producer.send_and_wait(topic, b"new", partition=0)
            assert (await anext(records)).value == b"new"
