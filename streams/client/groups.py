"""Reads `wa.status` as a member of a consumer group: Kafka keeps the position, and members share the partitions.

An event is committed only after the caller has asked for the next one, so it comes at least once. What was handled and
not committed yet (a second of work, or the event at which the loop was left) comes again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from streams.client.positions import lost
from streams.kafka.connection import client_options, start_consumer, stop_consumer, translate_errors
from streams.kafka.reader import METADATA_AGE_S, Record, merge, require_topic
from streams.settings import ClientSettings

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 5.0
_POLL_MS: Final = 200


def require_free_group(settings: ClientSettings, group: str) -> None:
    """Raise ValueError for a name that no group of a caller may have: a member of a worker's group takes its work."""
    prefix = settings.topic_prefix
    if not isinstance(group, str) or not group.strip():
        raise ValueError(f"group={group!r}: must be the name of a consumer group")
    if group == f"{prefix}-dispatch" or group.startswith(f"{prefix}-sender-"):
        raise ValueError(f"group={group!r}: is a group of the service; choose another name")


async def follow_as_group(
    settings: ClientSettings,
    topic: str,
    group: str,
    *,
    skip_lost: bool,
    commit_interval_s: float = COMMIT_INTERVAL_S,
) -> AsyncGenerator[Record, None]:
    """The records of the partitions that this member has, for ever. A new group begins with the oldest one.

    Raises:
        PositionLost: the log does not have the next record of the group any more.
    """
    await require_topic(settings, topic)
    options = client_options(settings)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if skip_lost else "none",
        metadata_max_age_ms=int(METADATA_AGE_S * 1000),
    )
    member = _Member(consumer, topic, commit_interval_s)
    consumer.subscribe([topic], listener=member)
    try:
        with translate_errors(options["bootstrap_servers"]):
            await start_consumer(consumer)
        async for record in member.follow():
            yield record
    finally:
        await member.close()


class _Member(ConsumerRebalanceListener):
    """One member of the group: what it has fetched, and what its caller has handled."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, commit_interval_s: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._commit_interval_s = commit_interval_s
        self._fetched: deque[Record] = deque()
        self._handled: dict[TopicPartition, int] = {}
        self._committed_at_s = time.monotonic()

    async def follow(self) -> AsyncIterator[Record]:
        """Each record. The record before is handled when the next one is requested."""
        while True:
            while self._fetched:
                record = self._fetched.popleft()
                yield record
                partition = TopicPartition(record.topic, record.partition)
                if partition in self._consumer.assignment():
                    self._handled[partition] = record.offset + 1
                await self._commit_if_due()
            await self._fetch()
            await self._commit_if_due()

    async def _fetch(self) -> None:
        try:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        except NoOffsetForPartitionError as error:  # nothing was committed yet
            await self._consumer.seek_to_beginning(*error.args)
            return
        except OffsetOutOfRangeError as error:
            offsets: dict[TopicPartition, int] = error.args[0]
            partition, offset = next(iter(offsets.items()))
            raise lost(self._topic, partition.partition, offset) from error
        self._fetched.extend(merge(batches.values()))

    async def _commit_if_due(self) -> None:
        if time.monotonic() - self._committed_at_s >= self._commit_interval_s:
            await self._commit()

    async def _commit(self) -> None:
        """Commit what was handled. If the partitions have another owner by now, it gets the events again."""
        self._committed_at_s = time.monotonic()
        assignment = self._consumer.assignment()
        offsets = {
            partition: offset
            for partition, offset in self._handled.items()
            if partition in assignment
        }
        self._handled.clear()
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            log.warning("the position was not committed, some events come again: %r", error)

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] may be async
        self, revoked: Collection[TopicPartition]
    ) -> None:
        """Another member takes over from what is committed here; what was fetched is fetched again."""
        await self._commit()
        self._fetched.clear()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] may be async
        self, assigned: Collection[TopicPartition]
    ) -> None:
        """Reading begins at the committed offsets by itself."""

    async def close(self) -> None:
        """Commit what was handled, and leave the group."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._commit()
        except (KafkaError, TimeoutError) as error:
            log.warning("the position was not committed, some events come again: %r", error)
        finally:
            await stop_consumer(self._consumer)
