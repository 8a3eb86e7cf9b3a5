"""Puts the original records of dead letters on `wa.outbound` again, each with a result of its own.

A dead letter that was cut is replayed from the original, at its position on the topic, if it is still there. The
original of a member of a batch is in the batch there: only this member is cut out of it and replayed. A dead letter
that cannot be replayed is refused by name, and the others are replayed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from msgspec.structs import replace

from streams.contract import record_size
from streams.contract.dead_letter import DeadLetter
from streams.contract.errors import InvalidRequest, Tombstone
from streams.contract.request.kinds import Batch
from streams.contract.request.parse import parse_record
from streams.dispatch.batches import fan_out
from streams.domain.phone.events import SourceRecord
from streams.kafka import connection
from streams.kafka.producing import open_producer, translate_refusals
from streams.kafka.topics import names
from streams.settings import Settings

_READ_TIMEOUT_S = 30.0
_TOO_LARGE_ERRORS = (MessageSizeTooLargeError, RecordListTooLargeError)


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of one dead letter; `refusal`: why it was not replayed."""

    letter: DeadLetter
    refusal: str | None = None


async def replay(
    settings: Settings,
    letters: Sequence[DeadLetter],
    rate_per_s: float,
    *,
    is_forced: bool,
    on_progress: Callable[[int], None],
) -> list[ReplayResult]:
    """Produce the original records to `wa.outbound` again, at most this many a second; the result of each.

    `on_progress` gets the number of those that are done.
    """
    results: list[ReplayResult] = []
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(_Producer(settings))
        for letter in letters:
            started_s = time.monotonic()
            results.append(await _replay_one(settings, producer, letter, is_forced=is_forced))
            on_progress(len(results))
            await asyncio.sleep(max(0.0, started_s + 1 / rate_per_s - time.monotonic()))
    return results


async def _replay_one(
    settings: Settings, producer: "_Producer", letter: DeadLetter, *, is_forced: bool
) -> ReplayResult:
    whole = await _read_original(settings, letter) if letter.info.is_truncated else letter
    if whole is None:
        info = letter.info
        place = f"{info.topic} partition {info.partition} offset {info.offset}"
        return ReplayResult(letter, f"it was cut, and its original is no longer at {place}")
    if not await producer.send(whole, is_forced=is_forced):
        return ReplayResult(letter, "its record is larger than wa.outbound takes")
    return ReplayResult(letter)


class _Producer:
    """A producer that survives a record which the broker refuses as too large."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = names(settings).outbound
        self._stack = AsyncExitStack()
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> "_Producer":
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        self._producer = await self._stack.enter_async_context(
            open_producer(self._settings, self._topic)
        )

    async def _stop(self) -> None:
        await self._stack.aclose()

    async def send(self, letter: DeadLetter, *, is_forced: bool) -> bool:
        """Produce the original record; False if the topic does not take it."""
        assert self._producer is not None
        try:
            with translate_refusals(self._topic):
                await self._producer.send_and_wait(
                    self._topic,
                    letter.value,
                    key=letter.key,
                    headers=letter.build_replay_headers(is_forced=is_forced),
                )
        except _TOO_LARGE_ERRORS:
            # The refused record leaves a gap in the producer's sequence numbers, so it is of no use any more.
            await self._stop()
            await self._start()
            return False
        return True


async def _read_original(settings: Settings, letter: DeadLetter) -> DeadLetter | None:
    """The dead letter with its original key, value and headers; None if they are gone."""
    partition = TopicPartition(letter.info.topic, letter.info.partition)
    async with _open_consumer(settings) as consumer:
        known = await consumer._client.fetch_all_metadata()
        if partition.partition not in (known.partitions_for_topic(partition.topic) or ()):
            return None
        starts = await consumer.beginning_offsets([partition])
        ends = await consumer.end_offsets([partition])
        if not starts[partition] <= letter.info.offset < ends[partition]:
            return None
        consumer.assign([partition])
        consumer.seek(partition, letter.info.offset)
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                record = await consumer.getone()
        except TimeoutError:
            return None
    if record.offset != letter.info.offset:
        return None
    whole = replace(letter, key=record.key, value=record.value, headers=tuple(record.headers))
    index = letter.info.member_index
    original = whole if index is None else extract_member(whole, index)
    return original if original is not None and _is_original(letter, original) else None


def extract_member(batch_letter: DeadLetter, index: int) -> DeadLetter | None:
    """The dead letter with the record of this member, in place of that of its batch; None: it is not there."""
    key, value, headers = batch_letter.key, batch_letter.value, batch_letter.headers
    max_bytes = record_size.measure(key, value, headers)  # it was accepted once
    try:
        batch = parse_record(value, headers, max_bytes=max_bytes, key=key)
    except (InvalidRequest, Tombstone):
        return None
    if not isinstance(batch, Batch):
        return None
    info = batch_letter.info
    record = SourceRecord(topic=info.topic, partition=info.partition, offset=info.offset)
    for member in fan_out.split(batch, record):
        if member.member == index:
            return replace(batch_letter, key=member.key, value=member.value, headers=member.headers)
    return None


def _is_original(letter: DeadLetter, original: DeadLetter) -> bool:
    """Whether the dead letter holds the beginning of this record: the topic may be another one of its name."""
    info = letter.info
    value_size = record_size.full_size(original.value)
    return (
        (original.value or b"").startswith(letter.value or b"")
        and (original.key or b"").startswith(letter.key or b"")
        and info.full_value_size in (None, 0, value_size)  # 0: not known
    )


@asynccontextmanager
async def _open_consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **connection.client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_poll_records=1,
    )
    try:
        await connection.start_consumer(consumer)
        yield consumer
    finally:
        await connection.stop_consumer(consumer)
