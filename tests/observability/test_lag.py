"""The lag of a group, kept current from a real broker."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry

from streams.kafka import connection
from streams.kafka.admin import create_topics
from streams.kafka.topics import names
from streams.observability.lag import LagExporter, LagMetrics
from streams.settings import Settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


@contextlib.contextmanager
def running(task: asyncio.Task[None]) -> Iterator[None]:
    try:
        yield
    finally:
        task.cancel()


async def test_the_lag_grows_with_what_is_written_and_falls_with_what_is_committed(
    settings: Settings,
) -> None:
    """Two records are written, and the group commits that it has read the first."""
    await create_topics(settings)
    topic, group = names(settings).outbound, f"{settings.topic_prefix}-dispatch"
    registry = CollectorRegistry()
    exporter = LagExporter(settings, group, [topic], LagMetrics(registry), interval_s=0.05)

    def behind() -> float | None:
        return registry.get_sample_value("wa_lag_records", {"topic": topic, "partition": "2"})

    async def reaches(expected: float) -> None:
        await wait_until(lambda: behind() == expected)

    producer = AIOKafkaProducer(**connection.producer_options(settings))
    consumer = AIOKafkaConsumer(
        **connection.client_options(settings), group_id=group, enable_auto_commit=False
    )
    partition = TopicPartition(topic, 2)
    await producer.start()
    await consumer.start()
    try:
        with running(asyncio.create_task(exporter.run())):
            await reaches(0)
            for _ in range(2):
                await producer.send_and_wait(topic, b"{}", partition=2)
            await reaches(2)
            consumer.assign([partition])
            await consumer.commit({partition: 1})
            await reaches(1)
            assert registry.get_sample_value("wa_lag_read_timestamp_seconds")
    finally:
        await consumer.stop()
        await producer.stop()


async def test_a_missing_topic_does_not_stop_the_exporter(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs the error, goes on, and reads the topic once it has been created."""
    registry = CollectorRegistry()
    topic = names(settings).outbound
    labels = {"topic": topic, "partition": "0"}
    exporter = LagExporter(settings, "nobody", [topic], LagMetrics(registry), interval_s=0.05)
    with running(asyncio.create_task(exporter.run())):
        await wait_until(lambda: f"cannot read the lag of nobody: {topic}" in caplog.text)
        await create_topics(settings)
        await wait_until(lambda: registry.get_sample_value("wa_lag_records", labels) is not None)
