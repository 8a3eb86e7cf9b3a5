"""Reads the topics of one endpoint into the store, until it is cancelled. Delivers nothing.

The events of a fetch and the positions behind it are one transaction. Where it goes on:

    the store knows the topic           behind what the store has taken
    the store knows another one         at the beginning: the topic was deleted and created again
    only Kafka has positions            at the oldest event that was not done with: the file was lost
    neither                             at the end: an endpoint gets what happens after it was added

While the endpoint is paused, or many events wait, nothing is read: the topic keeps the rest.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.connection import KafkaUnreachable
from streams.kafka.reader import Reader, Record, TopicNotFound, open_reader
from streams.kafka.topics import names, webhooks_group
from streams.settings import Settings
from streams.webhooks.endpoints import Endpoint, TopicName
from streams.webhooks.metrics import WebhookMetrics
from streams.webhooks.payload import read_event
from streams.webhooks.positions import open_group_positions
from streams.webhooks.store import Store, StoredEvent, WaitingEvent
from streams.webhooks.upkeep import remove_old

log = logging.getLogger(__name__)

READ_ERRORS: Final = (KafkaError, KafkaUnreachable, TopicNotFound, OSError)
_RETRY_DELAY_S: Final = 1.0
_COMMIT_INTERVAL_S: Final = 5.0
_UPKEEP_INTERVAL_S: Final = 3600.0  # the broker drops what a group has not committed for a week
_CHECK_INTERVAL_S: Final = 5.0  # how soon an outage is noticed if nothing comes
_CHECK_TIMEOUT_S: Final = 10.0


class Follower:
    """One endpoint. `may_read` returns once more events can be taken; `on_events` gets them."""

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        store: Store,
        metrics: WebhookMetrics,
        *,
        now_s: Callable[[], float],
        may_read: asyncio.Event,
        on_events: Callable[[list[WaitingEvent]], None],
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._store = store
        self._metrics = metrics
        self._now_s = now_s
        self._may_read = may_read
        self._on_events = on_events
        self._names = {topic: getattr(names(settings), topic) for topic in endpoint.topics}
        self._group = webhooks_group(settings, endpoint.name)
        # What cannot be read: a topic that was not opened yet, or whose brokers do not answer.
        self.behind = set(endpoint.topics)

    async def follow(self, topic: TopicName) -> None:
        """Read one topic."""
        await self._repeat(partial(self._read, topic), f"the webhook cannot read {topic}")

    async def commit_positions(self) -> None:
        """Commit to Kafka how far everything is done with, now and then, and remove what was kept long enough."""
        await self._repeat(self._commit, "the positions of a webhook cannot be committed")

    async def _repeat(self, work: Callable[[], Awaitable[None]], problem: str) -> None:
        """An outage is logged once."""
        is_broken = False
        while True:
            try:
                await work()
                is_broken = False
            except READ_ERRORS as error:
                if not is_broken:
                    log.warning("%s: %s: %s", self._endpoint.name, problem, error)
                is_broken = True
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _read(self, topic: TopicName) -> None:
        """Returns when nothing more may be read for now. Raises READ_ERRORS."""
        try:
            await self._open(topic)
        except READ_ERRORS:
            self.behind.add(topic)
            raise

    async def _open(self, topic: TopicName) -> None:
        await self._may_read.wait()
        async with open_reader(self._settings, self._names[topic]) as reader:
            topic_id = await reader.fetch_topic_id()
            await self._seek(topic, reader, topic_id)
            self.behind.discard(topic)
            await self._take_all(topic, topic_id, reader)

    async def _take_all(self, topic: TopicName, topic_id: str, reader: Reader) -> None:
        loop = asyncio.get_running_loop()
        checked_at = loop.time()
        async for records in reader.follow_batches():
            if records:
                await self._take(topic, topic_id, records)
                checked_at = loop.time()
            if not self._may_read.is_set():
                return
            if loop.time() - checked_at >= _CHECK_INTERVAL_S:
                async with asyncio.timeout(_CHECK_TIMEOUT_S):
                    await reader.end_offsets()  # a fetch does not say that no broker answers
                checked_at = loop.time()

    async def _seek(self, topic: TopicName, reader: Reader, topic_id: str) -> None:
        name, store = self._names[topic], self._store
        known = await asyncio.to_thread(store.load_positions, self._endpoint.name, topic, topic_id)
        begins = await reader.beginning_offsets()
        if known is None:
            is_other = await asyncio.to_thread(store.has_topic, self._endpoint.name, topic)
            start = begins if is_other else await self._find_start(reader, name)
            known = {tp.partition: offset for tp, offset in start.items()}
            positions = {(topic, partition): offset for partition, offset in known.items()}
            args = (self._endpoint.name, (), topic_id, positions, self._now_s())
            await asyncio.to_thread(store.add, *args)
        self._count_lost(topic, known, begins)
        reader.seek({TopicPartition(name, partition): at for partition, at in known.items()})

    async def _find_start(self, reader: Reader, name: str) -> dict[TopicPartition, int]:
        """Where Kafka has the positions; else the end, which Kafka has before anything is read."""
        async with open_group_positions(self._settings, self._group, [name]) as positions:
            committed = await positions.load()
            if committed:
                return committed
            ends = await reader.end_offsets()
            await positions.commit(ends)
            return ends

    def _count_lost(
        self, topic: TopicName, known: dict[int, int], begins: dict[TopicPartition, int]
    ) -> None:
        """Retention may have removed what was not read, for example during a long pause."""
        lost = sum(max(0, at - known.get(tp.partition, at)) for tp, at in begins.items())
        if lost:
            log.error(
                "%s: %d records of %s were removed by retention before they were read",
                self._endpoint.name,
                lost,
                topic,
            )
            self._metrics.lost(self._endpoint.name, lost)

    async def _take(self, topic: TopicName, topic_id: str, records: list[Record]) -> None:
        events: list[StoredEvent] = []
        positions: dict[tuple[str, int], int] = {}
        for record in records:
            positions[topic, record.partition] = record.offset + 1
            event = self._read_record(topic, record)
            if event is not None:
                events.append(event)
        args = (self._endpoint.name, events, topic_id, positions, self._now_s())
        self._on_events(await asyncio.to_thread(self._store.add, *args))

    def _read_record(self, topic: TopicName, record: Record) -> StoredEvent | None:
        try:
            event = read_event(topic, record.value or b"")
        except ValueError:
            self._metrics.skipped(self._endpoint.name)
            where = (record.topic, record.partition, record.offset)
            log.warning("a record is not an event and is not delivered: %s/%d/%d", *where)
            return None
        if not self._endpoint.wants(event.type):
            return None
        return StoredEvent(topic, record.partition, record.offset, event)

    async def _commit(self) -> None:
        topics = list(self._names.values())
        async with open_group_positions(self._settings, self._group, topics) as positions:
            committed: dict[TopicPartition, int] = {}
            upkeep_at_s = 0.0
            while True:
                now_s = self._now_s()
                if is_due := abs(now_s - upkeep_at_s) >= _UPKEEP_INTERVAL_S:
                    await asyncio.to_thread(remove_old, self._store, now_s)
                    upkeep_at_s = now_s
                finished = await asyncio.to_thread(self._store.find_finished, self._endpoint.name)
                offsets = {
                    TopicPartition(self._names[topic], partition): offset
                    for (topic, partition), offset in finished.items()
                    if topic in self._names
                }
                if offsets and (is_due or offsets != committed):
                    await positions.commit(offsets)
                    committed = offsets
                await asyncio.sleep(_COMMIT_INTERVAL_S)
