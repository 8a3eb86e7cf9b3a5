"""Reads `wa.status` or `wa.inbound` without a group, with the position after each event.

The caller keeps the position, or nothing.
"""

from collections.abc import AsyncGenerator
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from streams.client.events import PositionedEvent, ReadRecord, read_status
from streams.client.positions import Position, lost
from streams.kafka.reader import METADATA_AGE_S, Reader, open_reader
from streams.settings import ClientSettings

T = TypeVar("T")


async def follow_log(
    settings: ClientSettings,
    topic: str,
    read: ReadRecord[T],
    *,
    after: Position | None = None,
    since_s: float | None = None,
    skip_lost: bool = False,
    metadata_age_s: float = METADATA_AGE_S,
) -> AsyncGenerator[T, None]:
    """Every event after this position, or since this time, or from now on; for ever.

    Raises:
        PositionLost: the log does not have all events after the position any more.
    """
    skips_lost = after is None or skip_lost
    async with open_reader(
        settings, topic, skips_lost=skips_lost, metadata_age_s=metadata_age_s
    ) as reader:
        position = await _seek(reader, topic, after, since_s, skip_lost=skip_lost)
        try:
            async for record in reader.follow():
                position.advance(record.partition, record.offset)
                event = read(record.value, str(position))
                if event is not None:
                    yield event
        except OffsetOutOfRangeError as error:
            offsets: dict[TopicPartition, int] = error.args[0]
            partition, offset = next(iter(offsets.items()))
            raise lost(topic, partition.partition, offset) from error


async def read_status_log(
    settings: ClientSettings, topic: str, *, since_s: float
) -> AsyncGenerator[PositionedEvent, None]:
    """Every event since this time up to the end at the time of this call."""
    async with open_reader(settings, topic) as reader:
        offsets = await (
            reader.offsets_for_time(since_s) if since_s else reader.beginning_offsets()
        )
        reader.seek(offsets)
        position = await _make_position(reader, offsets)
        async for record in reader.read_to_end():
            position.advance(record.partition, record.offset)
            event = read_status(record.value, str(position))
            if event is not None:
                yield event


async def _seek(
    reader: Reader,
    topic: str,
    after: Position | None,
    since_s: float | None,
    *,
    skip_lost: bool,
) -> Position:
    """Put the reader where it must begin; returns its position there."""
    if after is None:
        offsets = await (
            reader.end_offsets() if since_s is None else reader.offsets_for_time(since_s)
        )
        reader.seek(offsets)
        return await _make_position(reader, offsets)
    starts, ends = await reader.beginning_offsets(), await reader.end_offsets()
    topic_id = await reader.fetch_topic_id()
    if not skip_lost:
        after.require_kept(topic, topic_id, _by_number(starts), _by_number(ends))
    is_same_topic = str(after).startswith(topic_id)
    offsets = {
        partition: after.offsets.get(partition.partition, start) if is_same_topic else start
        for partition, start in starts.items()
    }
    offsets = {
        partition: offset if starts[partition] <= offset <= ends[partition] else starts[partition]
        for partition, offset in offsets.items()
    }
    reader.seek(offsets)
    return Position(topic_id, _by_number(offsets))


async def _make_position(reader: Reader, offsets: dict[TopicPartition, int]) -> Position:
    return Position(await reader.fetch_topic_id(), _by_number(offsets))


def _by_number(offsets: dict[TopicPartition, int]) -> dict[int, int]:
    return {partition.partition: offset for partition, offset in offsets.items()}
