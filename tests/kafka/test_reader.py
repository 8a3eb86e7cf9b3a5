"""A reader of several partitions: the order of what it gives, and partitions that are added while it reads."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import NewTopic
from hypothesis import given
from hypothesis import strategies as st

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka.connection import admin_client, producer_options
from streams.kafka.producing import open_producer
from streams.kafka.reader import Record, merge, open_reader
from streams.webhooks.positions import open_group_positions
from tests.support.broker import add_partitions, make_settings

TIMES_MS = st.lists(st.integers(0, 5), max_size=6)


@pytest.mark.broker
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
            await add_partitions(settings, topic, 2)
            async with AIOKafkaProducer(**producer_options(settings)) as later_producer:
                await later_producer.send_and_wait(topic, b"added", partition=1)
            assert (await anext(records)).value == b"added"
            await producer.send_and_wait(topic, b"new", partition=0)
            assert (await anext(records)).value == b"new"


@pytest.mark.broker
@pytest.mark.parametrize("name", ["reader", "admin", "positions", "producer"])
async def test_a_client_that_is_closing_loses_no_cancellation(
    broker: EmbeddedBroker, tmp_path: Path, name: str
) -> None:
    """aiokafka takes it for that of its own task; what reads would read on for ever."""
    settings = make_settings(broker, tmp_path)
    topic = f"{settings.topic_prefix}.{name}"
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1)])

    def open_client() -> AbstractAsyncContextManager[object]:
        match name:
            case "reader":
                return open_reader(settings, topic)
            case "admin":
                return admin_client(settings)
            case "positions":
                return open_group_positions(settings, topic, [topic])
            case _:
                return open_producer(settings, topic)

    async def close(turns: int) -> None:
        async with open_client():
            loop.call_soon(cancel_after, turns)

    def cancel_after(turns: int) -> None:
        if turns:
            loop.call_soon(cancel_after, turns - 1)
        else:
            was_running.set_result(task.cancel())

    loop = asyncio.get_running_loop()
    for turns in range(8):  # of the loop
        was_running = loop.create_future()
        task = asyncio.create_task(close(turns))
        async with asyncio.timeout(60):
            await asyncio.wait({task})
            assert task.cancelled() == await was_running


@given(st.lists(TIMES_MS, max_size=3))
def test_the_last_record_of_a_partition_stays_the_last(times_ms: list[list[int]]) -> None:
    """A broker's clock that was set back makes no past state of a row, or of an account, the current one."""
    batches = [
        [_make_record(partition, offset, at_ms) for offset, at_ms in enumerate(times)]
        for partition, times in enumerate(times_ms)
    ]
    merged = merge(batches)
    assert [[r for r in merged if r.partition == n] for n in range(len(batches))] == batches


def test_partitions_are_merged_by_time() -> None:
    """Where no clock was set, what a reader gives is in the order of the appends."""
    batches = [
        [_make_record(0, 0, 1), _make_record(0, 1, 4)],
        [_make_record(1, 0, 2), _make_record(1, 1, 3)],
    ]
    assert [record.timestamp for record in merge(batches)] == [1, 2, 3, 4]


def _make_record(partition: int, offset: int, at_ms: int) -> Record:
    return ConsumerRecord("rows", partition, offset, at_ms, 1, b"key", b"", None, 3, 0, ())
