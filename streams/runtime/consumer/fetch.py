"""aiokafka's fetched batches, with the offset range of the log that each of them covers.

aiokafka returns records and moves on. It knows that there was nothing between two of them (control records of
transactions, aborted records, compacted records), but does not report it. Without that knowledge, such a gap cannot be
distinguished from records that were lost on their way. This file records facts about the log; it decides nothing but
how much is taken at once.

When `getall` takes something, the requested position equals `next_fetch_offset` (otherwise it returns nothing). So what
it takes covers exactly one offset range `[start, next_fetch_offset)`.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import fetcher as ak_fetcher

from streams.runtime.consumer.offsets import OffsetRange

MAX_TAKEN_BYTES = 1 << 20  # of one partition at once, uncompressed; what is left is taken next time
_EMPTY_RANGE_ATTRIBUTE = "known_empty"  # set on aiokafka's state of a partition


class FetchBatch(list[ConsumerRecord[bytes, bytes]]):
    """Records, and the offset from which on they are all that there was to read."""

    start_offset: int = -1


def leave_as_it_is(data: bytes | None) -> bytes | None:
    """As a consumer's deserializer of keys: it gets records as they are read, without a `ConsumerRecord` for each."""
    return data


class PartitionRecords(ak_fetcher.PartitionRecords):
    """Replaces aiokafka's class of that name (patches.py)."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        """Of a record that is read once and forgotten, its offset, timestamp, key and value are enough."""
        if self._key_deserializer is leave_as_it_is:
            return record
        return super()._consumer_record(tp, record)


class FetchResult(ak_fetcher.FetchResult):
    """Replaces aiokafka's class of that name (patches.py)."""

    def getall(self, max_records: int | None = None) -> FetchBatch:
        """The fetched records, with the start of their offset range."""
        partition_records: Any = self._partition_records
        if partition_records is None or not self.check_assignment(self._topic_partition):
            return FetchBatch()
        start: int = partition_records.next_fetch_offset
        batch = self._take(partition_records, max_records)
        if partition_records.next_fetch_offset == start:
            return batch  # nothing was taken
        state = self._assignment.state_value(self._topic_partition)
        batch.start_offset = _merge_start(getattr(state, _EMPTY_RANGE_ATTRIBUTE, None), start)
        empty_from = batch[-1].offset + 1 if batch else batch.start_offset
        setattr(state, _EMPTY_RANGE_ATTRIBUTE, (empty_from, partition_records.next_fetch_offset))
        return batch

    def _take(self, partition_records: Any, max_records: int | None) -> FetchBatch:
        """aiokafka's `getall`, limited in bytes as well: compressed records may be many in a small fetch."""
        batch, size_bytes = FetchBatch(), 0
        for record in partition_records:
            batch.append(record)
            size_bytes += len(record.key or b"") + len(record.value or b"")
            if len(batch) == max_records or size_bytes >= MAX_TAKEN_BYTES:
                self._update_position()
                return batch
        self._update_position()
        self._partition_records = None
        return batch


def record_size_bytes(record: Any) -> int:
    """The bytes of a record's key and value, uncompressed."""
    # Kafka gives -1 for a missing key or value.
    return max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0)


def _merge_start(empty_range: OffsetRange | None, start: int) -> int:
    """The start of the range, extended by an empty range right before it."""
    return empty_range[0] if empty_range is not None and empty_range[1] == start else start


def last_empty_range(consumer: AIOKafkaConsumer, partition: tuple[str, int]) -> OffsetRange | None:
    """The last range that was read to its end and held nothing. For any thread."""
    subscription: Any = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return None
    return getattr(subscription.assignment.state_value(partition), _EMPTY_RANGE_ATTRIBUTE, None)
