"""Faust's RocksDB store, which bears damage: a store that cannot be read is set aside and rebuilt, once.

One that does not open is set aside at once. If the damage shows later, the process ends, with one log line: what it
has in memory may come from the damaged store. The next process sets the store aside, and fills a new one.

Faust's own store would retry a corrupt one for 30 s (it looks for "lock" in the error, and finds "block checksum
mismatch"), raise in the middle of an event, or skip a batch of the changelog with a warning.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NoReturn

import faust
from faust.stores import rocksdb
from faust.types import TP
from rocksdict import Rdict, WriteBatch

from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.store import quarantine
from streams.runtime.store.bulk_load import BulkLoad
from streams.runtime.store.errors import StoreProblem, classify
from streams.runtime.store.index import INDEX_VERSION_KEY, NO_INDEX, Change, Index, put_or_delete
from streams.runtime.store.memory import make_options
from streams.runtime.store.rows import (
    APPENDED_KEY,
    LATEST_APPENDED_KEY,
    TOPIC_ID_PREFIX,
    CheckRow,
    NotARow,
    UndecodableRow,
    accept_any_row,
    check_record,
)
from streams.system.files import describe_full_disk

log = logging.getLogger(__name__)

PROBATION_S = 600.0  # a store that is damaged again within this time after a rebuild needs a person
MAX_UNDECODABLE_ROWS = 100  # of a partition; more are not an accident, but another version's rows
# In the store: how many rows of its changelog could not be decoded.
_UNDECODABLE_COUNT_KEY = b"__faust\0undecodable"


class LocalStore(rocksdb.Store):
    """The stores of one table, by partition."""

    check_row: CheckRow = staticmethod(accept_any_row)
    index: Index = NO_INDEX

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rocksdb_options = make_options(self.options)
        self.skipped_records = 0  # of changelogs, in this process
        self._bulk_load = BulkLoad(self.rocksdb_options.write_buffer_size)

    @property
    def rebuilds(self) -> int:
        """How many stores were set aside in this worker's folder."""
        return quarantine.count_rebuilds(self.partition_path(0).parent)

    def _open_for_partition(self, partition: int) -> Rdict:
        if damage := quarantine.read_damage(self.partition_path(partition)):
            self._set_aside(partition, damage)
        try:
            database = super()._open_for_partition(partition)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            if classify(error) is not StoreProblem.DAMAGED:
                self.raise_or_terminate(partition, error)
            self._set_aside(partition, str(error))
            database = super()._open_for_partition(partition)
        self._watch_probation(partition)
        is_empty = database.get(self.offset_key) is None  # everything is read from the changelog
        if is_empty:
            database.put(INDEX_VERSION_KEY, self.index.version)
        self._bulk_load.note_opened(partition, is_empty=is_empty)
        return database

    def _watch_probation(self, partition: int) -> None:
        store = self.partition_path(partition)
        if quarantine.is_on_probation(store):
            asyncio.get_running_loop().call_later(PROBATION_S, quarantine.end_probation, store)

    # -- damage

    def raise_or_terminate(self, partition: int, error: Exception) -> NoReturn:
        """An exception of RocksDB: set a damaged store aside and end the process; any other is raised again."""
        self._end_if_disk_full(partition, error)
        if classify(error) is StoreProblem.DAMAGED:
            self.rebuild_at_next_start(partition, error)
        raise error

    def _end_if_disk_full(self, partition: int, error: Exception) -> None:
        if classify(error) is StoreProblem.DISK_FULL:
            terminate(ExitCode.DISK_FULL, describe_full_disk(self.partition_path(partition)))

    def rebuild_at_next_start(self, partition: int, error: Exception) -> NoReturn:
        """The store of this partition cannot be read: end the process; the next one rebuilds the store."""
        store = self.partition_path(partition)
        if quarantine.is_on_probation(store):
            self._require_person(partition, "is damaged again after its rebuild", str(error))
        try:
            quarantine.mark_damaged(store, str(error))
        except OSError as mark_error:
            self._end_if_disk_full(partition, mark_error)
            self._require_person(partition, "is damaged and cannot be marked", str(mark_error))
        terminate(
            ExitCode.STORE_DAMAGED,
            f"the store of {self._describe(partition)} is damaged; it is rebuilt at the next start: {error}",
        )

    def _set_aside(self, partition: int, damage: str) -> None:
        store = self.partition_path(partition)
        try:
            copy = quarantine.set_aside(store)
        except quarantine.DamagedAgain:
            self._require_person(partition, "is damaged again after its rebuild", damage)
        except OSError as error:
            self._end_if_disk_full(partition, error)
            self._require_person(partition, "is damaged and cannot be set aside", str(error))
        log.error(
            "the store of %s cannot be read, is set aside as %s and is rebuilt from the changelog: %s",
            self._describe(partition),
            copy,
            damage,
        )

    def _require_person(self, partition: int, problem: str, cause: str) -> NoReturn:
        terminate(
            ExitCode.STORE_DAMAGED,
            f"the store of {self._describe(partition)} {problem}{self._describe_offset(partition)}; check the disk, "
            f"and delete {self.partition_path(partition)}: {cause}",
        )

    def _describe(self, partition: int) -> str:
        return f"{self.table.changelog_topic.get_topic_name()} partition {partition}"

    def _describe_offset(self, partition: int) -> str:
        try:
            offset = self._dbs[partition].get(self.offset_key)
        except Exception:  # noqa: BLE001 - the store is damaged, and this is only a hint
            return ""
        return "" if offset is None else f" at changelog offset {offset.decode()}"

    # -- recovery

    def discard_stale(self, partition: int, max_age_s: float) -> None:
        """Delete a store that may have missed a deletion, so that it is rebuilt from the changelog's beginning."""
        self._discard(partition, "is too old")
        log.warning(
            "the store of %s was not used for more than %.1f h, is removed and is rebuilt from the changelog: rows "
            "that were deleted meanwhile could come back",
            self._describe(partition),
            max_age_s / 3600,
        )

    def discard_old_index(self, partition: int) -> bool:
        """Delete a store whose index another version has made; returns whether it was one."""
        if self._read(partition, INDEX_VERSION_KEY) == self.index.version:
            return False
        self._discard(partition, problem := "has the index of another version")
        log.warning("the store of %s %s, and is rebuilt", self._describe(partition), problem)
        return True

    def _discard(self, partition: int, problem: str) -> None:
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()
        try:
            quarantine.discard(self.partition_path(partition))
        except OSError as error:
            self._end_if_disk_full(partition, error)
            self._require_person(partition, f"{problem} and cannot be removed", str(error))

    def read_appended_s(self, partition: int) -> float | None:
        """When the last record that the store holds was appended, by the broker's clock; None: it does not say."""
        data = self._read(partition, APPENDED_KEY)
        return None if data is None else int(data) / 1000

    def read_latest_appended_s(self, partition: int) -> float:
        """The latest append time of all records that the store was ever made from; 0: it does not say."""
        return int(self._read(partition, LATEST_APPENDED_KEY) or b"0") / 1000

    def read_topic_id(self, tp: TP) -> bytes | None:
        """The id of the changelog that the rows came from; None: they do not say."""
        return self._read(tp.partition, TOPIC_ID_PREFIX + tp.topic.encode())

    def _read(self, partition: int, key: bytes) -> bytes | None:
        try:
            return self._db_for_partition(partition).get(key)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self.raise_or_terminate(partition, error)

    def persisted_offset(self, tp: TP) -> int | None:
        """The changelog's offset of the rows; None: there are none."""
        try:
            return super().persisted_offset(tp)
        except ValueError as error:
            self.rebuild_at_next_start(tp.partition, error)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self.raise_or_terminate(tp.partition, error)

    def load(self, partition: int, records: Sequence[Any], next_offset: int) -> None:
        """Take records of the changelog into the store: it is up to date to `next_offset` then. Skips what is no row.

        Rows and offset are in one batch, which is not logged: after a crash, both are as they were at some earlier
        time, and the recovery goes on from there. Before anything else is written, call `make_durable`.
        """
        try:
            self._load(partition, records, next_offset)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self.raise_or_terminate(partition, error)

    def _load(self, partition: int, records: Sequence[Any], next_offset: int) -> None:
        database = self._db_for_partition(partition)
        changes = WriteBatch(raw_mode=True)
        if records:
            self._add_records(partition, database, changes, records)
            self.put_latest(partition, changes, max(record.timestamp for record in records) / 1000)
        appended_s = records[-1].timestamp / 1000 if records else None
        self.put_position(changes, next_offset - 1, appended_s)
        self._bulk_load.write(partition, database, changes)

    def _add_records(
        self, partition: int, database: Rdict, changes: WriteBatch, records: Sequence[Any]
    ) -> None:
        undecodable_count = int(database.get(_UNDECODABLE_COUNT_KEY) or b"0")
        index_keys = self._bulk_load.index_keys.get(partition)
        for record in records:
            key, value = record.key, record.value
            try:
                row = check_record(key, value, self.check_row)
            except (NotARow, UndecodableRow) as error:
                self._count_skipped(partition, record.offset, error)
                undecodable_count += isinstance(error, UndecodableRow)
                if undecodable_count > MAX_UNDECODABLE_ROWS:
                    self._refuse_changelog(partition, record.offset)
            else:
                put_or_delete(changes, key, value)
                self.index.add_checked(changes, key, value, row, index_keys)
        changes.put(_UNDECODABLE_COUNT_KEY, b"%d" % undecodable_count)

    def add_rows(self, batch: WriteBatch, rows: Sequence[Change]) -> None:
        """Add changes of rows to the batch, with what they mean to the index."""
        for key, value in rows:
            put_or_delete(batch, key, value)
        self.index.add_changes(batch, rows)

    def make_durable(self) -> None:
        """Write what was loaded to files. A store that was closed without that has an earlier offset, too."""
        for partition in self._bulk_load.partitions & self._dbs.keys():
            try:
                self._bulk_load.finish(partition, self._dbs[partition])
            except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
                self.raise_or_terminate(partition, error)
        self._bulk_load.forget()

    def put_position(self, changes: WriteBatch, offset: int, appended_s: float | None) -> None:
        """Let this batch say up to which record it holds the changelog, and when that was appended, if known."""
        changes.put(self.offset_key, b"%d" % offset)
        if appended_s is not None:
            changes.put(APPENDED_KEY, b"%d" % round(appended_s * 1000))

    def put_latest(self, partition: int, changes: WriteBatch, appended_s: float) -> None:
        """Let this batch say that a record was appended at this time, if that is the latest one so far."""
        if appended_s > self.read_latest_appended_s(partition):
            changes.put(LATEST_APPENDED_KEY, b"%d" % round(appended_s * 1000))

    def _count_skipped(self, partition: int, offset: int, error: ValueError) -> None:
        self.skipped_records += 1
        log.error("record %d of %s is skipped: %s", offset, self._describe(partition), error)

    def _refuse_changelog(self, partition: int, offset: int) -> NoReturn:
        terminate(
            ExitCode.STORE_DAMAGED,
            f"more than {MAX_UNDECODABLE_ROWS} rows of {self._describe(partition)} cannot be decoded, the last at "
            f"offset {offset}: run the version that wrote them",
        )


class Table(faust.Table[Any, Any]):
    """Faust's table on our own store, whatever the setting `store` says."""

    def _new_store_by_url(self, url: Any) -> LocalStore:
        return LocalStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            options=self.options,
        )
