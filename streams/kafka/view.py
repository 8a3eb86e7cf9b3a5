"""A compacted topic in memory, kept current. It is read without a group: each process sees all of it.

Not for anything that must be decided once: two processes may see a change at different times, and while no broker
answers, the last state remains. After an error, which is logged, the topic is read again from its beginning; until
that is done, the old state remains.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.connection import KafkaUnreachable, client_options, start_consumer, stop_consumer
from streams.kafka.malformed import MalformedRecords
from streams.settings import Settings
from streams.system.tasks import CONSUMER_CANCEL_AGAIN_AFTER_S, cancel_tasks

log = logging.getLogger(__name__)

# Raises ValueError, with a message that holds nothing of the content.
CheckRecord = Callable[[bytes, bytes], object]
# The key, its new value (None: the key was deleted), and the append time of the record, as epoch seconds.
OnChange = Callable[[bytes, bytes | None, float], None]


class ViewRecord(NamedTuple):
    """The last record of a key."""

    key: bytes
    value: bytes
    append_s: float


_RETRY_DELAY_S = 1.0
_POLL_MS = 1000  # a fetch returns at once when there is something


class CompactedView:
    """The last value of each key. Call `start` before anything else; all in one event loop."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        partitions: int = 1,
        on_change: OnChange | None = None,
        check: CheckRecord | None = None,
    ) -> None:
        """`on_change` is called for each record after `start`, in the event loop; it must not block.

        `check` raises ValueError for a key and value that cannot be read. Such a record counts as a value all the same:
        what its user makes of it is its user's decision.
        """
        self._settings = settings
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._on_change = on_change
        self._check = check
        self.malformed = MalformedRecords(topic)
        self._records: dict[bytes, ViewRecord] = {}
        self._loaded = asyncio.Event()
        self._positions: dict[TopicPartition, int] = {}  # what is before them was applied
        self._progress = asyncio.Event()  # set, and replaced, when the positions change
        self._end_reader: AIOKafkaConsumer | None = None  # of `catch_up`
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once everything is loaded that was in the topic at the call. Retries until it succeeds."""
        assert self._task is None, "started twice"
        self._task = asyncio.create_task(self._run(), name=f"view of {self._topic}")
        await self._loaded.wait()

    async def stop(self) -> None:
        """Follow the topic no longer; the last state remains."""
        if self._task is not None:
            await cancel_tasks(self._task, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
            self._task = None
        await self._close_end_reader()

    async def catch_up(self, timeout_s: float) -> bool:
        """Return once everything is applied that is in the topic at this call; False: that takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                ends = await self._fetch_ends()
                while any(self._positions.get(part, -1) < end for part, end in ends.items()):
                    await self._progress.wait()
        except TimeoutError:
            await self._close_end_reader()
            return False
        except (KafkaError, KafkaUnreachable, OSError) as error:
            log.warning("cannot read the end of %s (%r)", self._topic, error)
            await self._close_end_reader()
            return False
        return True

    async def _fetch_ends(self) -> Mapping[TopicPartition, int]:
        """By a connection of its own: on that of the view, a broker answers only after the fetch that waits there."""
        if self._end_reader is None:
            reader = AIOKafkaConsumer(
                **client_options(self._settings),
                enable_auto_commit=False,
                isolation_level="read_committed",
            )
            self._end_reader = reader
            await start_consumer(reader)
        return await self._end_reader.end_offsets(self._partitions)

    async def _close_end_reader(self) -> None:
        reader, self._end_reader = self._end_reader, None
        if reader is not None:
            await stop_consumer(reader)

    async def _report_progress(self, consumer: AIOKafkaConsumer) -> None:
        """What was read up to here was applied, too."""
        positions = {part: await consumer.position(part) for part in self._partitions}
        if positions != self._positions:
            self._positions = positions
            self._progress.set()
            self._progress = asyncio.Event()

    def get(self, key: bytes) -> bytes | None:
        """The last value of a key."""
        record = self._records.get(key)
        return None if record is None else record.value

    def items(self) -> list[tuple[bytes, bytes]]:
        """All keys with their values, as they are now."""
        return [(record.key, record.value) for record in self._records.values()]

    def records(self) -> list[ViewRecord]:
        """The last record of every key, as they are now."""
        return list(self._records.values())

    def report_all(self) -> None:
        """Call `on_change` for the last record of every key: `start` does not."""
        for record in self.records():
            self._notify(*record)

    def __len__(self) -> int:
        return len(self._records)

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except (KafkaError, KafkaUnreachable, OSError) as error:
                log.warning("cannot read %s (%r); trying again", self._topic, error)
            except Exception:
                log.exception("the view of %s failed; reading it again", self._topic)
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _follow(self) -> None:
        # No reset policy: an offset out of range means another log, which must be read from its start.
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            await start_consumer(consumer)
            self._replace(await self._load(consumer))
            self._loaded.set()
            while True:
                await self._report_progress(consumer)
                for record in await self._poll(consumer):
                    self._apply_change(*record)
        finally:
            await stop_consumer(consumer)

    async def _load(self, consumer: AIOKafkaConsumer) -> dict[bytes, ViewRecord]:
        consumer.assign(self._partitions)
        await consumer.seek_to_beginning(*self._partitions)
        ends = await consumer.end_offsets(self._partitions)
        loaded: dict[bytes, ViewRecord] = {}
        while not await _has_reached(consumer, ends):
            for record in await self._poll(consumer):
                _set_or_delete(loaded, *record)
        return loaded

    async def _poll(self, consumer: AIOKafkaConsumer) -> list[tuple[bytes, bytes | None, float]]:
        """What has arrived; nothing after a timeout."""
        batches = await consumer.getmany(timeout_ms=_POLL_MS)
        changes: list[tuple[bytes, bytes | None, float]] = []
        for record in (record for batch in batches.values() for record in batch):
            if record.key is not None:  # the broker refuses such a record on a compacted topic
                self._check_record(record.key, record)
                changes.append((record.key, record.value, record.timestamp / 1000))
        return changes

    def _check_record(self, key: bytes, record: ConsumerRecord[Any, Any]) -> None:
        if self._check is None or record.value is None:
            return
        try:
            self._check(key, record.value)
        except ValueError as error:
            self.malformed.add(record.partition, record.offset, error)

    def _replace(self, loaded: dict[bytes, ViewRecord]) -> None:
        """Take over what was loaded; after the first time, report what is different or newer."""
        previous, self._records = self._records, loaded
        if not self._loaded.is_set():
            return
        for key in previous.keys() | loaded.keys():
            record = loaded.get(key)
            if previous.get(key) != record:
                self._notify(key, record and record.value, record.append_s if record else 0.0)

    def _apply_change(self, key: bytes, value: bytes | None, append_s: float) -> None:
        _set_or_delete(self._records, key, value, append_s)
        self._notify(key, value, append_s)

    def _notify(self, key: bytes, value: bytes | None, append_s: float) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(key, value, append_s)
        except Exception:
            # The topic is not the cause, and reading it again would only bring the same change.
            log.exception("the callback for changes in %s failed", self._topic)


async def _has_reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for part, end in ends.items():
        if await consumer.position(part) < end:
            return False
    return True


def _set_or_delete(
    records: dict[bytes, ViewRecord], key: bytes, value: bytes | None, append_s: float
) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = ViewRecord(key, value, append_s)
