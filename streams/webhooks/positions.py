"""The committed positions of a group that has no members: its only process reads with readers (reader.py).

They survive this machine, and every tool that shows the lag of a group shows them. Reads no record.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.connection import client_options, start_consumer, stop_consumer, translate_errors
from streams.settings import ClientSettings
from streams.system.tasks import keep_cancellation


class GroupPositions:
    """The positions of one group."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> None:
        self._consumer = consumer
        self._topics = topics

    async def load(self) -> dict[TopicPartition, int]:
        """The committed position of each partition that has one."""
        self._assign()
        offsets = {tp: await self._consumer.committed(tp) for tp in self._consumer.assignment()}
        return {tp: offset for tp, offset in offsets.items() if offset is not None}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit these positions."""
        if not offsets.keys() <= self._consumer.assignment():
            self._assign()  # a partition was added
        known = self._consumer.assignment()
        await self._consumer.commit({tp: offset for tp, offset in offsets.items() if tp in known})

    def _assign(self) -> None:
        """aiokafka commits only for partitions that are assigned; they are paused, so nothing is fetched."""
        partitions = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._consumer.assign(partitions)
        self._consumer.pause(*partitions)


@asynccontextmanager
async def open_group_positions(
    settings: ClientSettings, group: str, topics: Sequence[str]
) -> AsyncIterator[GroupPositions]:
    """Connect. The topics must exist.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    options = client_options(settings)
    consumer = AIOKafkaConsumer(
        **options, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        with translate_errors(options["bootstrap_servers"]):
            await start_consumer(consumer)
            with keep_cancellation():
                for topic in topics:
                    await consumer._client._wait_on_metadata(topic)
        yield GroupPositions(consumer, topics)
    finally:
        await stop_consumer(consumer)
