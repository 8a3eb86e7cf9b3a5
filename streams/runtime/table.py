"""Durable tables: when `write` returns, the broker has the rows, and no crash can undo them.

Rows are written to the changelog first and to RocksDB second, one batch each. The batch in RocksDB also holds the
changelog's offset. So the local rows are exactly what the changelog held up to some offset, and never include a row
that the broker does not have: after the partition moved to another process, such a row would be a ghost.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NoReturn

from faust.types import TP
from rocksdict import Rdict, ReadOptions, WriteBatch

from streams.kafka.topic_ids import recreated_message
from streams.runtime.broker.broker_requests import read_topic_ids
from streams.runtime.broker.publisher import AppStopped, PartitionRevoked
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.gate import Gate
from streams.runtime.protocols import TableApp
from streams.runtime.store.changelog import Appended, Change, ChangelogWriter
from streams.runtime.store.index import INDEX_PREFIX, NO_INDEX, Index
from streams.runtime.store.local_store import LocalStore
from streams.runtime.store.rows import (
    INTERNAL_PREFIX,
    TOPIC_ID_PREFIX,
    CheckRow,
    UndecodableRow,
    accept_any_row,
)

__all__ = ["Appended", "Change", "DurableTable", "PartitionRevoked"]

log = logging.getLogger(__name__)

_SCAN_CHUNK_ROWS = 256

# For each partition; what they share is in store/memory.py. Faust's defaults are 2 GiB of cache and 192 MiB of write
# buffers for each.
_ROCKSDB_OPTIONS = {
    "driver": "rocksdict",
    "write_buffer_size": 8 << 20,
    "max_write_buffer_number": 2,
    "max_open_files": 256,
}


class DurableTable:
    """A table of bytes with one RocksDB per partition, recovered from its changelog topic.

    Reads see every write that was awaited. Writes to one partition are done one after the other. A task
    that reads a row and writes it back must be the row's only writer in that time.
    """

    def __init__(
        self,
        app: TableApp,
        name: str,
        *,
        check_row: CheckRow = accept_any_row,
        index: Index = NO_INDEX,
    ) -> None:
        """`check_row` raises for a record of the changelog that is not a row of this table: it is skipped.

        `index`: which rows `scan_index` finds.
        """
        self._app = app
        self._table: Any = app.Table(
            name,
            partitions=app.partitions,
            key_type=bytes,
            value_type=bytes,
            options=dict(_ROCKSDB_OPTIONS),
        )
        self.changelog: str = self._table.changelog_topic.get_topic_name()
        self._store: LocalStore = self._table.data
        self._store.check_row = check_row
        self._store.index = index
        self._changelog_writer = ChangelogWriter(app.publisher, self.changelog)
        self._gate = Gate()
        self._owned_partitions: frozenset[int] = frozenset()
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._write_tasks: set[asyncio.Task[Appended]] = set()
        self._recovery_callbacks: list[Callable[[], Any]] = []
        self._recovery_lock = asyncio.Lock()
        self._table.on_recover(self._after_recovery)
        app.durable_tables.append(self)

    # -- ownership and recovery

    def owned_partitions(self) -> list[int]:
        """The assigned and recovered partitions; none between a revocation and the next recovery."""
        return sorted(self._owned_partitions)

    def on_recovered(self, callback: Callable[[], Any]) -> Callable[[], Any]:
        """Call `callback` after every rebalance, when the rows are recovered and before any event is delivered.

        It may be a coroutine function. If it raises, the process ends.
        """
        self._recovery_callbacks.append(callback)
        return callback

    async def _after_recovery(self) -> None:
        generation = self._app.consumer_generation_id
        async with self._recovery_lock:
            if not self._app.has_recovered_assignment():
                return  # revoked again in the meantime: another recovery follows
            self._store.make_durable()
            assigned = self._app.assignor.assigned_actives()
            self._owned_partitions = frozenset(
                tp.partition for tp in assigned if tp.topic == self.changelog
            )
            for partition in self._owned_partitions:
                last_offset = self._store.persisted_offset(TP(self.changelog, partition))
                self._changelog_writer.set_end(partition, last_offset)
            self._gate.open()
            await self._check_topic_ids()
            for callback in self._recovery_callbacks:
                if generation == self._app.consumer_generation_id:
                    await _run_callback(callback)

    async def wait_for_recovery_callbacks(self) -> None:
        """Return when no recovery callback is running: no partition is revoked in the middle of one."""
        async with self._recovery_lock:
            return

    async def _check_topic_ids(self) -> None:
        """The rows belong to the very topics that they were made from, not to later ones of the same name."""
        topics = sorted({*self._app.source_topics, self.changelog})
        ids = await read_topic_ids(self._app, topics)
        for partition in self.owned_partitions():
            for topic in topics:
                await self._check_topic_id(partition, topic, ids[topic])

    async def _check_topic_id(self, partition: int, topic: str, topic_id: bytes) -> None:
        key = TOPIC_ID_PREFIX + topic.encode()
        stored_id = self.get(partition, key)
        if stored_id is None:
            appended = await self.write(partition, [(key, topic_id)])
            if not appended.follows_own:
                self._changelog_writer.forget_end(partition)  # its user must learn that too
        elif stored_id != topic_id:
            terminate(ExitCode.TOPIC_RECREATED, recreated_message(topic, self._app.conf.id))

    async def close(self) -> None:
        """Start no further write, and wait for those in progress: the partitions are being revoked."""
        await self._gate.close()
        self._owned_partitions = frozenset()

    # -- reading

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value of the key, or None. Raises PartitionRevoked."""
        try:
            return self._database(partition).get(key)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self._store.raise_or_terminate(partition, error)

    def scan(
        self, partition: int, prefix: bytes = b"", *, after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows whose key has this prefix and is above `after`, in the order of their keys.

        A row that is written during the scan may or may not be seen. Raises PartitionRevoked, also in the middle.
        """
        start = max(prefix, after + b"\0" if after else b"")
        while chunk := self._read_chunk(partition, prefix, start):
            yield from chunk
            start = chunk[-1][0] + b"\0"

    def scan_index(self, partition: int) -> Iterator[bytes]:
        """The keys of the rows that are in the index, in their order. Raises PartitionRevoked, also in the middle."""
        for key, _ in self.scan(partition, INDEX_PREFIX):
            yield key.removeprefix(INDEX_PREFIX)

    def _read_chunk(self, partition: int, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
        # No iterator outlives this call: it would keep the database and its lock open.
        try:
            return self._read_rows(self._database(partition), prefix, start)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self._store.raise_or_terminate(partition, error)

    @staticmethod
    def _read_rows(database: Rdict, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
        cursor = database.iter(ReadOptions())
        cursor.seek(start)
        rows: list[tuple[bytes, bytes]] = []
        while len(rows) < _SCAN_CHUNK_ROWS and cursor.valid():
            key = cursor.key()
            if not key.startswith(prefix):
                break
            if not key.startswith(INTERNAL_PREFIX) or prefix.startswith(INTERNAL_PREFIX):
                rows.append((key, cursor.value()))
            cursor.next()
        cursor.status()  # raises if the rows ended because they cannot be read
        return rows

    def reject_row(self, partition: int, error: UndecodableRow) -> NoReturn:
        """A row that was read cannot be decoded: end the process; the store is rebuilt without the row."""
        self._store.rebuild_at_next_start(partition, error)

    @property
    def rebuilds(self) -> int:
        """How many stores of this worker were damaged and set aside."""
        return self._store.rebuilds

    @property
    def skipped_records(self) -> int:
        """How many records of the changelog were not rows, in this process."""
        return self._store.skipped_records

    def _database(self, partition: int) -> Rdict:
        try:
            return self._store._dbs[partition]
        except KeyError:
            raise PartitionRevoked(
                f"partition {partition} of {self._table.name} is not open in this process"
            ) from None

    # -- writing

    async def write(self, partition: int, changes: Sequence[Change]) -> Appended:
        """Write all of the changes or none. Returns once the broker has them and reads see them.

        Retries until it succeeds, and waits while the group is rebalancing. A write in progress is completed
        even if the caller is cancelled.

        Raises:
            PartitionRevoked: the partition is assigned to another process.
            RecordTooLarge: the broker does not accept a batch of that size.
            AppStopped: the app has stopped.
        """
        if not changes:
            return Appended(None, follows_own=True)
        task = asyncio.ensure_future(self._write(partition, changes))
        self._write_tasks.add(task)
        task.add_done_callback(self._write_tasks.discard)
        return await asyncio.shield(task)

    async def _write(self, partition: int, changes: Sequence[Change]) -> Appended:
        async with self._gate.enter(), self._locks[partition]:
            if partition not in self._owned_partitions:
                raise PartitionRevoked(
                    f"partition {partition} of {self._table.name} is not assigned to this process"
                )
            appended = await self._changelog_writer.write(partition, changes)
            self._apply(partition, changes, appended)
            return appended

    def latest_appended_s(self, partition: int) -> float:
        """The latest append time of all records that the rows were ever made from; 0: there are none."""
        return self._store.read_latest_appended_s(partition)

    def _apply(self, partition: int, changes: Sequence[Change], appended: Appended) -> None:
        batch = WriteBatch(raw_mode=True)
        self._store.add_rows(batch, changes)
        if appended.last_offset >= 0 and appended.follows_own:
            # Otherwise others' records lie before it: a recovery that follows now must still read them.
            self._store.put_position(batch, appended.last_offset, appended.at_s)
        if appended.at_s is not None:
            self._store.put_latest(partition, batch, appended.at_s)
        try:
            self._database(partition).write(batch)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self._store.raise_or_terminate(partition, error)


async def _run_callback(callback: Callable[[], Any]) -> None:
    try:
        result = callback()
        if isinstance(result, Awaitable):
            await result
    except (PartitionRevoked, AppStopped) as error:  # another recovery follows
        log.warning("a callback of a recovery ends early: %s", error)
    except Exception as error:
        log.exception("a callback of a recovery raised")  # Faust would go on without it
        reason = f"{callback} raised {type(error).__name__} after a recovery"
        terminate(ExitCode.EVENT_INTERRUPTED, reason)
