"""Reads a whole topic without a group: its present records, or everything from now on.

For commands and callers' programs. It commits nothing, and any number of readers see every record. Not for work
that must survive a restart: that needs a group.
"""

import heapq
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2

from streams.kafka.connection import (
    admin_client,
    client_options,
    start_consumer,
    stop_consumer,
    translate_errors,
)
from streams.kafka.topic_ids import fetch_topic_ids
from streams.settings import ClientSettings
from streams.system.tasks import keep_cancellation

Record = ConsumerRecord[bytes | None, bytes | None]

METADATA_AGE_S = 60.0
_POLL_MS = 200


class Reader:
    """One topic or one partition of it, read forwards from the beginning or from where a `seek_…` method put it.

    Partitions that are added to the topic are read too, from their beginning.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, topic: str, partition: int | None = None
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._partition = partition

    async def assign(self) -> None:
        """Take the partitions of the topic, and keep the positions of those that were assigned before.

        A subscription would do that too, but aiokafka then begins every partition anew: each record came twice.
        """
        offsets = {tp: await self._consumer.position(tp) for tp in self._partitions}
        numbers = self._consumer.partitions_for_topic(self._topic) or set()
        chosen = numbers if self._partition is None else {self._partition}
        partitions = {TopicPartition(self._topic, number) for number in chosen}
        if partitions <= offsets.keys():
            return
        self._consumer.assign(sorted(partitions | offsets.keys()))
        added = sorted(partitions - offsets.keys())
        self.seek(offsets | await self._consumer.beginning_offsets(added))

    async def fetch_topic_id(self) -> str:
        """What the broker calls this topic: another one with its name has another id."""
        ids = await fetch_topic_ids(self._consumer._client, [self._topic])
        return ids[self._topic].hex()

    async def seek_to_end(self) -> None:
        """Read the records that are written after this call."""
        self.seek(await self.end_offsets())

    async def seek_to_time(self, since_s: float) -> None:
        """Read the records that were written at or after this time (epoch)."""
        self.seek(await self.offsets_for_time(since_s))

    async def offsets_for_time(self, since_s: float) -> dict[TopicPartition, int]:
        """For each partition the first offset written at or after this time, or else its end."""
        ends = await self._consumer.end_offsets(self._partitions)
        timestamps_ms = {partition: int(since_s * 1000) for partition in self._partitions}
        offsets = await self._consumer.offsets_for_times(timestamps_ms)
        return {
            partition: ends[partition] if at is None else at.offset
            for partition, at in offsets.items()
        }

    async def end_offsets(self) -> dict[TopicPartition, int]:
        """For each partition the offset that the next record will have."""
        return await self._consumer.end_offsets(self._partitions)

    async def beginning_offsets(self) -> dict[TopicPartition, int]:
        """For each partition the oldest offset that the log still has."""
        return await self._consumer.beginning_offsets(self._partitions)

    async def read_to_end(self) -> AsyncIterator[Record]:
        """Every record up to the end at the time of this call."""
        ends = await self.end_offsets()
        while await self.is_behind(ends):
            for record in await self._poll():
                partition = TopicPartition(record.topic, record.partition)
                if record.offset < ends[partition]:
                    yield record

    async def follow(self) -> AsyncIterator[Record]:
        """Every record, for ever."""
        async for records in self.follow_batches():
            for record in records:
                yield record

    async def follow_batches(self) -> AsyncIterator[list[Record]]:
        """Every record, for ever, as they are fetched together; an empty list if none came for a moment."""
        while True:
            yield await self._poll()

    async def _poll(self) -> list[Record]:
        """The records of one fetch: those of a partition in their order, and the partitions merged by time."""
        numbers = self._consumer.partitions_for_topic(self._topic) or set()
        if self._partition is None and len(numbers) > len(self._consumer.assignment()):
            await self.assign()
        batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        return merge(batches.values())

    async def is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether there is something to read before these offsets."""
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return True
        return False

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read each of these partitions from this offset on. `follow` after `read_to_end` needs it to miss nothing."""
        for partition, offset in offsets.items():
            self._consumer.seek(partition, offset)

    @property
    def _partitions(self) -> list[TopicPartition]:
        return sorted(self._consumer.assignment())


def merge(batches: Iterable[Sequence[Record]]) -> list[Record]:
    """The records of several partitions by time, but those of one partition by offset alone.

    The broker's clock may have been set back. The last record of a key is its state, whatever the time of its append.
    """
    return list(heapq.merge(*batches, key=lambda record: (record.timestamp, record.partition)))


def choose_partition(key: bytes, partitions: int) -> int:
    """The partition of a key among so many: that of every producer with Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class TopicNotFound(LookupError):
    """The topic does not exist; the message says what to do, in one line."""


@asynccontextmanager
async def open_reader(
    settings: ClientSettings,
    topic: str,
    *,
    partition: int | None = None,
    skips_lost: bool = True,
    committed_only: bool = False,
    metadata_age_s: float = METADATA_AGE_S,
) -> AsyncIterator[Reader]:
    """A reader of this topic, or of one partition of it, which starts at its beginning.

    A position whose record the log no longer has is moved to the oldest record; without `skips_lost`, reading it
    raises `aiokafka.errors.OffsetOutOfRangeError`. `committed_only` leaves out the records of transactions that were
    aborted or are open. Added partitions are noticed within `metadata_age_s`.

    Raises:
        KafkaUnreachable: no broker answers, or none is configured.
        TopicNotFound: the topic does not exist.
    """
    await require_topic(settings, topic)
    options = client_options(settings)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if skips_lost else "none",
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        metadata_max_age_ms=int(metadata_age_s * 1000),
    )
    try:
        reader = Reader(consumer, topic, partition)
        with translate_errors(options["bootstrap_servers"]):
            await start_consumer(consumer)
            with keep_cancellation():
                await consumer._client._wait_on_metadata(topic)
                await reader.assign()
        yield reader
    finally:
        await stop_consumer(consumer)


async def read_last_values(settings: ClientSettings, topic: str) -> dict[bytes, bytes]:
    """The last value of each key of the topic; a key whose last record has no value is left out.

    Raises:
        KafkaUnreachable, TopicNotFound: as `open_reader`.
    """
    last: dict[bytes, bytes | None] = {}
    async with open_reader(settings, topic) as reader:
        async for record in reader.read_to_end():
            last[record.key or b""] = record.value
    return {key: value for key, value in last.items() if value is not None}


async def require_topic(settings: ClientSettings, topic: str) -> None:
    """Raises TopicNotFound unless the topic exists, and KafkaUnreachable if no broker answers."""
    # A consumer would look for it for 40 s. Lists all topics, because a broker might create one that is named.
    async with admin_client(settings) as client:
        if topic not in await client.list_topics():
            raise TopicNotFound(missing_topic(topic))


def missing_topic(topic: str) -> str:
    """What is wrong and what to do; Kafka does not show a topic to a user that may not describe it."""
    return (
        f"there is no topic {topic}, or this user may not see it: run `wa-streams topics create`, or check "
        "WA_TOPIC_PREFIX"
    )
