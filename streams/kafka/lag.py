"""How far a group is behind: committed against end offsets. Joins no group, commits nothing.

The end is the log's end (high watermark), as other tools count it, so records of a transaction that
is still open count as not read.
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
from streams.kafka.admin import TopicsWrong, no_such_topic, partition_counts
from streams.settings import Settings

_ANSWER_WITHIN_S = 30.0
_AGAIN_AFTER_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition as a group sees it. `committed` None: nothing yet, so it starts at `begin`."""

    committed: int | None
    begin: int
    end: int

    @property
    def behind(self) -> int:
        """Records, and markers of transactions, that are still to be read."""
        start = self.begin if self.committed is None else max(self.committed, self.begin)
        return max(0, self.end - start)

    @property
    def lost(self) -> int:
        """Records that were removed from the log before the group had read them."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)


class LagReader:
    """Connected to a broker; made by `reader`."""

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
            TopicsWrong: a topic does not exist.
        """
        with connection.translated(self._address):
            return await _patiently(lambda: self._read(group, topics))

    async def _read(
        self, group: str, topics: Collection[str]
    ) -> dict[TopicPartition, PartitionLag]:
        parts = await self._partitions(topics)
        # Committed first: what is committed afterwards makes us say too much, never too little.
        committed = await self._committed(group, parts)
        begins = await self._consumer.beginning_offsets(parts)
        ends = await self._consumer.end_offsets(parts)
        return {part: PartitionLag(committed[part], begins[part], ends[part]) for part in parts}

    async def _partitions(self, topics: Collection[str]) -> list[TopicPartition]:
        counts = await partition_counts(self._admin)
        if missing := [topic for topic in topics if topic not in counts]:
            raise TopicsWrong([no_such_topic(topic) for topic in missing])
        return [TopicPartition(topic, part) for topic in topics for part in range(counts[topic])]

    async def _committed(
        self, group: str, parts: list[TopicPartition]
    ) -> Mapping[TopicPartition, int | None]:
        said = await self._admin.list_consumer_group_offsets(group, partitions=parts)
        # aiokafka does not look at the error of the whole answer; it shows in what is not there.
        if len(said) < len(parts):
            raise GroupLoadInProgressError(f"the offsets of {group} are not loaded yet")
        return {part: at.offset if at.offset >= 0 else None for part, at in said.items()}


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[LagReader]:
    """A connected LagReader, to be asked again and again. Raises KafkaUnreachable."""
    options = connection.client_options(settings)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    async with connection.admin(settings) as admin:
        try:
            await consumer.start()
            yield LagReader(options["bootstrap_servers"], admin, consumer)
        finally:
            await consumer.stop()


async def read(
    settings: Settings, group: str, topics: Collection[str]
) -> dict[TopicPartition, PartitionLag]:
    """The lag of `group` on every partition of `topics`, once. Raises KafkaUnreachable."""
    async with reader(settings) as connected:
        return await connected.read(group, topics)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the broker says that it will know soon (a coordinator is found or loaded)."""
    async with asyncio.timeout(_ANSWER_WITHIN_S):
        while True:
            try:
                return await ask()
            except KafkaError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(_AGAIN_AFTER_S)
