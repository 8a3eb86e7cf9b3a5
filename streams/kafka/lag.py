"""The lag of a consumer group: committed offsets against end offsets. Joins no group, commits nothing.

The end is the end of the log (high watermark), as other tools count it. So records of a transaction that is still
open count as lag.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError, KafkaError

from streams.kafka import connection
from streams.kafka.admin import InvalidTopics, missing_topic, partition_counts
from streams.kafka.connection import start_consumer, stop_consumer
from streams.settings import Settings
from streams.system.retries import retry_on

_TIMEOUT_S = 30.0
_RETRY_DELAY_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition for one group. `committed_offset` None: no commit yet, so the group starts at `start_offset`."""

    committed_offset: int | None
    start_offset: int
    end_offset: int

    @property
    def lag(self) -> int:
        """Records and transaction markers that are still to be read."""
        position = (
            self.start_offset
            if self.committed_offset is None
            else max(self.committed_offset, self.start_offset)
        )
        return max(0, self.end_offset - position)

    @property
    def lost_records(self) -> int:
        """Records that were removed from the log before the group read them."""
        return (
            0
            if self.committed_offset is None
            else max(0, self.start_offset - self.committed_offset)
        )


class LagReader:
    """Reads lag over one connection; created by `open_lag_reader`."""

    def __init__(
        self, address: str, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> None:
        self._address = address
        self._admin = admin
        self._consumer = consumer

    async def read(self, group: str, topics: Collection[str]) -> dict[TopicPartition, PartitionLag]:
        """The lag of `group` on every partition of `topics`.

        Raises:
            KafkaUnreachable: no broker answers.
            InvalidTopics: a topic does not exist.
        """
        with connection.translate_errors(self._address):
            return await _retry(lambda: self._read(group, topics))

    async def _read(
        self, group: str, topics: Collection[str]
    ) -> dict[TopicPartition, PartitionLag]:
        parts = await self._partitions(topics)
        # Committed offsets first: a commit after that makes the reported lag too high, never too low.
        committed = await self._committed_offsets(group, parts)
        starts = await self._consumer.beginning_offsets(parts)
        ends = await self._consumer.end_offsets(parts)
        return {part: PartitionLag(committed[part], starts[part], ends[part]) for part in parts}

    async def _partitions(self, topics: Collection[str]) -> list[TopicPartition]:
        counts = await partition_counts(self._admin)
        if missing := [topic for topic in topics if topic not in counts]:
            raise InvalidTopics([missing_topic(topic) for topic in missing])
        return [TopicPartition(topic, part) for topic in topics for part in range(counts[topic])]

    async def _committed_offsets(
        self, group: str, parts: list[TopicPartition]
    ) -> Mapping[TopicPartition, int | None]:
        offsets = await self._admin.list_consumer_group_offsets(group, partitions=parts)
        # aiokafka ignores the error of the response as a whole; then partitions are missing from it.
        if len(offsets) < len(parts):
            raise GroupLoadInProgressError(f"the offsets of {group} are not loaded yet")
        return {part: at.offset if at.offset >= 0 else None for part, at in offsets.items()}


@asynccontextmanager
async def open_lag_reader(settings: Settings) -> AsyncIterator[LagReader]:
    """A connected LagReader, for many readings. Raises KafkaUnreachable."""
    options = connection.client_options(settings)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    async with connection.admin_client(settings) as admin:
        try:
            await start_consumer(consumer)
            yield LagReader(options["bootstrap_servers"], admin, consumer)
        finally:
            await stop_consumer(consumer)


async def read_lag(
    settings: Settings, group: str, topics: Collection[str]
) -> dict[TopicPartition, PartitionLag]:
    """The lag of `group` on every partition of `topics`, once. Raises KafkaUnreachable."""
    async with open_lag_reader(settings) as lag_reader:
        return await lag_reader.read(group, topics)


async def _retry(operation: Callable[[], Awaitable[T]]) -> T:
    """Repeat while the broker reports a temporary error (a coordinator is being found or loaded)."""
    async with asyncio.timeout(_TIMEOUT_S):
        async for attempt in retry_on(_is_temporary, max_attempts=None, delay_s=_RETRY_DELAY_S):
            with attempt:
                return await operation()
    raise AssertionError("unreachable: without a result the timeout ends the attempts")


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, KafkaError) and error.retriable
