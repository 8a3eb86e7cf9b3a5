"""Follows the topics and keeps the read model current, until it is cancelled. Joins no group, and commits nothing.

The rows of a fetch and the positions behind it are one transaction. So a process that was killed goes on where the
file ends, and a file that is lost or damaged is built again from the beginning of the topics.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.console.model import queries, retention
from streams.console.model.database import Database, ModelDamaged
from streams.console.model.records import TOPICS, apply_record
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.reader import Reader, Record, TopicNotFound, open_reader
from streams.kafka.topics import names
from streams.settings import Settings
from streams.system.tasks import run_all

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_DELAY_S: Final = 1.0
_OPEN_TIMEOUT_S: Final = 10.0  # of a reader, while the file is opened or built again
_PRUNE_INTERVAL_S: Final = 30.0
_FORGET_MARGIN_S: Final = 300.0
_DAY_S: Final = 86_400.0
_MAX_RECEIVED: Final = 200_000


class ReadModel:
    """The tables, and how far they are. `now_s`: the broker's time. `on_change` gets the name of a topic."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        *,
        now_s: Callable[[], float],
        on_change: Callable[[str], None] = lambda topic: None,
        prune_interval_s: float = _PRUNE_INTERVAL_S,
    ) -> None:
        self._settings = settings
        self._database = Database(path)
        self._now_s = now_s
        self._on_change = on_change
        self._prune_interval_s = prune_interval_s
        self._behind = set(TOPICS)
        self._is_open = asyncio.Event()
        self._is_unreadable = asyncio.Event()
        self._readers: dict[str, Reader] = {}  # those that follow their topic
        self._has_caught_up = asyncio.Event()  # until the next pruning
        self.rebuilds = 0
        self.waiting_count = 0  # as it was a moment ago

    @property
    def is_current(self) -> bool:
        """Whether everything that was on the topics when they were opened has been read."""
        return not self._behind

    @property
    def behind(self) -> list[str]:
        """The topics whose past is still being read, or that cannot be read."""
        return sorted(self._behind)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The result of a query.

        Raises:
            ModelDamaged: the file cannot be read, and is being built again.
        """
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                await self._is_open.wait()
            return await asyncio.to_thread(self._database.read, query)
        except TimeoutError:
            raise ModelDamaged("it is not open") from None
        except ModelDamaged:
            self._is_unreadable.set()
            raise

    async def run(self) -> None:
        """Until cancelled. A damaged file is removed and built again."""
        try:
            while True:
                self._behind = set(TOPICS)
                try:
                    await asyncio.to_thread(self._database.open)
                    self._is_unreadable.clear()  # whoever looked in the meantime found no file
                    self._is_open.set()
                    works = (self._follow(name) for name in TOPICS)
                    await run_all(*works, self._prune(), self._watch_readers())
                except ModelDamaged as error:
                    self.rebuilds += 1
                    log.warning("the console's read model is built again: %s", error)
                self._is_open.clear()
                await self._remove_file()
                await asyncio.sleep(_RETRY_DELAY_S)
        finally:
            self._database.close()

    async def _watch_readers(self) -> None:
        """A reader may find damage that the writer, which has its own copies of the pages, does not see."""
        await self._is_unreadable.wait()
        raise ModelDamaged("it cannot be read")

    async def _remove_file(self) -> None:
        try:
            await asyncio.to_thread(self._database.remove)
        except OSError as error:
            log.warning("the console's read model cannot be removed: %s", error)

    async def _follow(self, name: str) -> None:
        """Apply the records of a topic. An outage is logged once."""
        topic = getattr(names(self._settings), name)
        is_broken = False
        while True:
            try:
                async with open_reader(self._settings, topic) as reader:
                    ends = await reader.end_offsets()
                    await self._resume(reader, topic)
                    is_broken = False
                    self._readers[name] = reader
                    await self._apply_all(name, reader, ends)
            except (KafkaError, KafkaUnreachable, TopicNotFound, OSError) as error:
                if not is_broken:
                    log.warning("the console cannot read %s: %s", topic, error)
                is_broken = True
                self._behind.add(name)
            finally:
                self._readers.pop(name, None)
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _resume(self, reader: Reader, topic: str) -> None:
        """Go on behind what was applied; from the beginning, if nothing was."""
        topic_id = await reader.fetch_topic_id()

        def load(connection: sqlite3.Connection) -> list[tuple[int, int]]:
            stored = connection.execute(
                "SELECT topic_id FROM topics WHERE topic = ?", (topic,)
            ).fetchone()
            if stored is not None and stored[0] != topic_id:
                raise ModelDamaged(f"the topic {topic} was deleted and created again")
            connection.execute("INSERT OR IGNORE INTO topics VALUES (?, ?)", (topic, topic_id))
            return connection.execute(
                "SELECT partition, next_offset FROM positions WHERE topic = ?", (topic,)
            ).fetchall()

        rows = await asyncio.to_thread(self._database.write, load)
        reader.seek({TopicPartition(topic, partition): offset for partition, offset in rows})

    async def _apply_all(self, name: str, reader: Reader, ends: dict[TopicPartition, int]) -> None:
        async for records in reader.follow_batches():
            if records:
                apply = partial(self._apply, name, records)
                self.waiting_count = await asyncio.to_thread(self._database.write, apply)
                self._on_change(name)
            elif not self._database.is_in_place():
                raise ModelDamaged("its file was removed or replaced")
            if name in self._behind and not await reader.is_behind(ends):
                self._behind.discard(name)
                if not self._behind:
                    self._has_caught_up.set()
                self._on_change(name)

    def _apply(self, name: str, records: Sequence[Record], connection: sqlite3.Connection) -> int:
        """Returns how many messages wait now."""
        positions: dict[tuple[str, int], int] = {}
        for record in records:
            apply_record(connection, name, record, self._settings.default_region)
            positions[record.topic, record.partition] = record.offset + 1
        connection.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            [(topic, partition, offset) for (topic, partition), offset in positions.items()],
        )
        return sum(queries.count_waiting(connection).values())

    async def _prune(self) -> None:
        while True:
            if await self._has_caught_up_soon():
                await self._remove_forgotten(self._now_s())
                continue
            begin_offsets = await self._fetch_begin_offsets()
            now_s = self._now_s()
            before_s = now_s - self._settings.console_retention_days * _DAY_S

            def prune(connection: sqlite3.Connection) -> None:
                retention.prune(
                    connection,
                    now_s=now_s,  # noqa: B023 — called before the next turn of the loop
                    before_s=before_s,  # noqa: B023 — as above
                    max_messages=self._settings.console_max_messages,
                    max_received=_MAX_RECEIVED,
                )
                retention.remove_purged(connection, begin_offsets)  # noqa: B023 — as above

            await asyncio.to_thread(self._database.write, prune)
            await self._remove_forgotten(now_s)

    async def _has_caught_up_soon(self) -> bool:
        """Wait for the interval, or until everything is read; then what was forgotten is removed at once."""
        try:
            async with asyncio.timeout(self._prune_interval_s):
                await self._has_caught_up.wait()
        except TimeoutError:
            return False
        self._has_caught_up.clear()
        return True

    async def _remove_forgotten(self, now_s: float) -> None:
        """One recipient in each transaction: to try out all numbers takes a while."""
        is_current = self.is_current
        for forgotten in await asyncio.to_thread(self._database.write, retention.list_forgotten):
            # Another topic may be behind the one that says it.
            is_last = is_current and now_s - forgotten.at_s > _FORGET_MARGIN_S
            remove = partial(retention.remove_forgotten, forgotten=forgotten, is_last=is_last)
            await asyncio.to_thread(self._database.write, remove)

    async def _fetch_begin_offsets(self) -> dict[int, int]:
        """Of the dead letters' topic; empty while no broker answers."""
        reader = self._readers.get("dlq")
        if reader is None:
            return {}
        try:
            offsets = await reader.beginning_offsets()
        except (KafkaError, OSError):
            return {}  # `_follow` logs it
        return {partition.partition: offset for partition, offset in offsets.items()}
