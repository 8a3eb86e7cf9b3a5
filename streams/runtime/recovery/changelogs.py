"""Reads partitions of changelogs from given offsets up to given ends, in large fetches. Writes nothing.

It has a consumer of its own, without a group: record by record through Faust, a recovery takes twenty times as long.
The rules of the app's consumer hold here too (consumer/consumer.py): records of aborted transactions are not read, and
a chunk is passed on only if every offset before it is known to hold nothing. Otherwise a table would have a hole.

Memory is bounded: few partitions are read at a time, and each fetch and each chunk has a greatest size.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.kafka.connection import start_consumer, stop_consumer
from streams.runtime.consumer.fetch import FetchBatch, last_empty_range, leave_as_it_is
from streams.runtime.consumer.offsets import OffsetTracker
from streams.system.tasks import keep_cancellation

log = logging.getLogger(__name__)

PARTITIONS_AT_ONCE: Final = 8
_FETCH_BYTES: Final = 1 << 20  # of one partition, compressed
_CHUNK_RECORDS: Final = 2000  # some ten milliseconds, after which the probes are answered
_POLL_MS: Final = 200

Span = tuple[int, int]  # offsets [from, to) of a partition that are to be read


class Chunk(NamedTuple):
    """The next records of a partition, if any. All before `next_offset` has been read then."""

    partition: TP
    records: Sequence[Any]  # with offset, timestamp, key and value
    next_offset: int


class ChangelogReader:
    """Reads each span once, whatever happens in between: `read` goes on where the last call has ended."""

    def __init__(self, options: Mapping[str, Any], spans: Mapping[TP, Span]) -> None:
        """`options`: how to reach the brokers."""
        self._options = options
        self._ends = {partition: end for partition, (_, end) in spans.items()}
        self._trackers = {
            partition: OffsetTracker(start) for partition, (start, _) in spans.items()
        }

    async def read(self) -> AsyncGenerator[Chunk]:
        """Every chunk that is left, a few partitions at a time. Raises KafkaError; then it may be called again."""
        consumer = AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",  # what was deleted before it was read is noticed, not skipped
            isolation_level="read_committed",
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            key_deserializer=leave_as_it_is,
        )
        try:
            await start_consumer(consumer)
            while unread := self._unread_partitions():
                async for chunk in self._read_partitions(consumer, unread[:PARTITIONS_AT_ONCE]):
                    yield chunk
        finally:
            await stop_consumer(consumer)

    def _unread_partitions(self) -> list[TP]:
        return sorted(
            partition
            for partition, end in self._ends.items()
            if self._trackers[partition].next_offset < end
        )

    async def _read_partitions(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TP]
    ) -> AsyncIterator[Chunk]:
        consumer.assign([TopicPartition(*partition) for partition in partitions])
        with keep_cancellation():
            await self._skip_deleted(consumer, partitions)
        for partition in partitions:
            self._seek(consumer, partition)
        while any(self._is_unread(partition) for partition in partitions):
            with keep_cancellation():
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_CHUNK_RECORDS)
            for chunk in self._take(consumer, partitions, batches):
                yield chunk
            if not batches:
                await self._seek_back(consumer, partitions)

    async def _seek_back(self, consumer: AIOKafkaConsumer, partitions: Sequence[TP]) -> None:
        """No later record reveals what was lost at the very end of a partition."""
        for partition in partitions:
            position = await consumer.position(TopicPartition(*partition))
            if position > self._trackers[partition].next_offset:
                self._read_again(consumer, partition)

    def _is_unread(self, partition: TP) -> bool:
        return self._trackers[partition].next_offset < self._ends[partition]

    async def _skip_deleted(self, consumer: AIOKafkaConsumer, partitions: Sequence[TP]) -> None:
        """Records that are not in the log any more cannot be recovered; nobody else has their rows either."""
        earliest = await consumer.beginning_offsets([TopicPartition(*tp) for tp in partitions])
        for (topic, number), offset in earliest.items():
            tracker = self._trackers[TP(topic, number)]
            if offset > tracker.next_offset:
                log.error(
                    "%s partition %d: offsets %d to %d were deleted before they were recovered",
                    topic,
                    number,
                    tracker.next_offset,
                    offset - 1,
                )
                tracker.next_offset = offset

    def _seek(self, consumer: AIOKafkaConsumer, partition: TP) -> None:
        consumer.seek(TopicPartition(*partition), self._trackers[partition].next_offset)

    def _read_again(self, consumer: AIOKafkaConsumer, partition: TP) -> None:
        next_offset = self._trackers[partition].next_offset
        log.error("%s from offset %d on is read again: records were lost", partition, next_offset)
        self._seek(consumer, partition)

    def _take(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TP], batches: Mapping[Any, Any]
    ) -> Iterator[Chunk]:
        for partition in partitions:
            tracker = self._trackers[partition]
            start, records = tracker.next_offset, batches.get(TopicPartition(*partition), ())
            if records and not self._is_next(tracker, records):
                self._read_again(consumer, partition)
                continue
            if records:
                tracker.skip(records[-1].offset)
            # It also crosses what is empty.
            tracker.committable_offset(last_empty_range(consumer, partition))
            if tracker.next_offset > start:
                yield Chunk(partition, records, tracker.next_offset)

    @staticmethod
    def _is_next(tracker: OffsetTracker, records: Any) -> bool:
        assert isinstance(records, FetchBatch), "patches.install() was not called"
        return tracker.is_contiguous(records.start_offset) and not tracker.already_delivered(
            records[0].offset
        )
