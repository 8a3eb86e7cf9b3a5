"""Puts records into the producer's open batches: one future for each batch, not for each record. Decides nothing.

aiokafka's `send` makes a future and three calls that may wait for every record, and hashes its key in Python. A commit
of the phone stage has hundreds of records, which go into a few batches; the answer to a batch is that to its records.
The records of different callers share batches, as with `send`: the sender has one batch of a partition on its way.
"""

import asyncio
import copy
import time
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed
from aiokafka.partitioner import murmur2
from aiokafka.structs import RecordMetadata, TopicPartition

Headers = Sequence[tuple[str, bytes | None]]

_REMEMBERED_KEYS: Final = 8192  # a phone's records follow each other within a moment


class OutgoingRecord(msgspec.Struct, frozen=True):
    """A record to publish. Without a partition, the key chooses it (murmur2); without a key, any one is taken."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = ()


class _Place(NamedTuple):
    """Where a record was put: the batch, and its number in it."""

    batch: Any
    number: int


async def produce(
    producer: AIOKafkaProducer, records: Sequence[OutgoingRecord]
) -> list[RecordMetadata | BaseException]:
    """What became of each record, up to the first that the producer did not even accept."""
    places: list[_Place] = []
    refusals: list[BaseException] = []
    try:
        await _put_all(producer, records, places)
    except (KafkaError, OSError, TimeoutError) as error:
        refusals.append(error)  # what is behind it must not overtake it
    if places:
        await asyncio.wait({place.batch.future for place in places})
    return [*map(_get_outcome, places), *refusals]


def _get_outcome(place: _Place) -> RecordMetadata | BaseException:
    future: asyncio.Future[RecordMetadata] = place.batch.future
    error = future.exception()
    if error is not None:
        return error
    first = future.result()
    is_known = first.offset >= 0
    return first._replace(offset=first.offset + place.number) if is_known else first


async def _put_all(
    producer: AIOKafkaProducer, records: Sequence[OutgoingRecord], places: list[_Place]
) -> None:
    """Put the records into batches, in this order; each is added to `places`."""
    client: Any = producer.client
    partitions_of = {
        topic: _make_partitions(topic, tuple(await client._wait_on_metadata(topic)))
        for topic in dict.fromkeys(record.topic for record in records)
    }
    for record in records:
        partition = _choose_partition(producer, record, partitions_of)
        place = _put(producer, partition, record)
        places.append(place or await _put_when_there_is_room(producer, partition, record))


def _choose_partition(
    producer: Any, record: OutgoingRecord, partitions_of: Mapping[str, Sequence[TopicPartition]]
) -> TopicPartition:
    if record.partition is None and record.key is not None:
        partitions = partitions_of[record.topic]
        return partitions[_hash_key(record.key) % len(partitions)]
    number = producer._partition(record.topic, record.partition, None, None, None, None)
    return TopicPartition(record.topic, number)


@lru_cache
def _make_partitions(topic: str, numbers: Collection[int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in numbers]


@lru_cache(_REMEMBERED_KEYS)
def _hash_key(key: bytes) -> int:
    """As aiokafka's partitioner, and Java's."""
    return murmur2(key) & 0x7FFFFFFF


def _put(producer: Any, partition: TopicPartition, record: OutgoingRecord) -> _Place | None:
    """Put the record into the open batch of the partition; None: it is full."""
    accumulator, headers = producer._message_accumulator, list(record.headers)
    if accumulator._closed:
        raise ProducerClosed
    if accumulator._exception is not None:
        raise copy.copy(accumulator._exception)
    producer._serialize(record.key, record.value, headers)  # raises if it is too large
    waiting = accumulator._batches.get(partition)
    batch = waiting[-1] if waiting else _open_batch(accumulator, partition)
    number = batch.record_count
    metadata = batch._builder.append(
        timestamp=None, key=record.key, value=record.value, headers=headers
    )
    return None if metadata is None else _Place(batch, number)


def _open_batch(accumulator: Any, partition: TopicPartition) -> Any:
    return accumulator._append_batch(accumulator.create_builder(), partition)


async def _put_when_there_is_room(
    producer: Any, partition: TopicPartition, record: OutgoingRecord
) -> _Place:
    """The open batch is full: the record waits until the sender has taken it."""
    accumulator = producer._message_accumulator
    deadline_s = time.monotonic() + producer._request_timeout_ms / 1000
    while (place := _put(producer, partition, record)) is None:
        accumulator._wakeup(accumulator._waiter_future)
        timeout_s = deadline_s - time.monotonic()
        if timeout_s <= 0:
            raise KafkaTimeoutError
        await accumulator._batches[partition][-1].wait_drain(timeout_s)
    return place
