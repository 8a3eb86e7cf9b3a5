"""The batch stage: applies the events of the batch log to rows, then publishes what follows.

A thin shell around `step` of domain/batch, like the phone stage: rows first, effects after, and only then are records
acknowledged. Changes of members that arrive together are one commit (group.py). The effects of the event that wrote a
row are published again after a crash; an older event is dropped. Progress that was not due with its event is published
by `run`, once a second. No content of an event makes this raise.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import msgspec

from streams.contract import batch as contract
from streams.contract.batch import BatchProgress
from streams.contract.errors import PartialRequest
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.batches.group import MemberGroup
from streams.dispatch.batches.store import BatchStore
from streams.dispatch.conversion import LogRecord
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.dispatch.records.mapper import RecordMapper
from streams.domain.batch import events as batch_events
from streams.domain.batch.events import (
    BatchCancelRequested,
    BatchEvent,
    BatchRetentionElapsed,
    MembersChanged,
    default_id,
)
from streams.domain.batch.state import (
    Batch,
    CancelMembers,
    PublishProgress,
    RejectCancel,
)
from streams.domain.batch.step import PROGRESS_INTERVAL_S, can_be_forgotten, step
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import CancelRequested
from streams.runtime.broker.publisher import DurabilityError
from streams.runtime.table import PartitionRevoked

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S: Final = 60.0
_MAX_CANCELS_PER_PUBLISH: Final = 500


class BatchStageMetrics(Protocol):
    """What the stage counts."""

    def count_internal_error(self, kind: str) -> None:
        """This program failed on an event."""
        ...


class BatchStage:
    """Counts the members of batches, and cancels them."""

    def __init__(
        self,
        publisher: Publisher,
        record_mapper: RecordMapper,
        metrics: BatchStageMetrics,
        *,
        progress_topic: str,
        phone_log: str,
        keep_s: float,
        owned_stores: Callable[[], list[BatchStore]],
        now_s: Callable[[], float],
    ) -> None:
        """`keep_s`: how long an ended batch is remembered. `now_s` is a time that has passed by the broker's clock."""
        self._publisher = publisher
        self._record_mapper = record_mapper
        self._metrics = metrics
        self._progress_topic = progress_topic
        self._phone_log = phone_log
        self._keep_s = keep_s
        self._owned_stores = owned_stores
        self._now_s = now_s
        # Partition and id of each batch of which the newest progress is not published yet.
        self._unpublished: set[tuple[int, str]] = set()

    async def handle(self, store: BatchStore, records: Sequence[LogRecord]) -> None:
        """Apply records of the partition's log, in their order; return when their effects are published.

        Raises:
            PartitionRevoked, AppStopped: the events are read again, by the next owner of the partition.
        """
        group = MemberGroup(store)
        for record in records:
            event = self._decode(store, record)
            if isinstance(event, MembersChanged):
                with self._catch_internal_error(store, record):
                    group.apply(event, record, keep_s=self._keep_s)
            elif event is not None:
                await self._end_group(group)
                group = MemberGroup(store)
                with self._catch_internal_error(store, record):
                    await self._apply(store, event, record)
        await self._end_group(group)

    def _decode(self, store: BatchStore, record: LogRecord) -> BatchEvent | None:
        try:
            return batch_events.decode(record.data or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._metrics.count_internal_error("malformed")
            position = f"{store.partition}:{record.offset}"
            log.error("record %s of the batch log is not an event: skipped", position)  # noqa: TRY400 - the bytes may hold an id
            return None

    @contextmanager
    def _catch_internal_error(self, store: BatchStore, record: LogRecord) -> Iterator[None]:
        """A bug is counted and logged, and the next event is applied."""
        try:
            yield
        except DurabilityError:
            raise
        except Exception:
            self._metrics.count_internal_error("step")
            log.exception("event %d:%d of the batch log failed", store.partition, record.offset)

    async def _end_group(self, group: MemberGroup) -> None:
        """Commit the changes of members together, then publish the progress that is due."""
        changes = group.collect_changes()
        await group.store.commit(*changes)
        rows = [change.row for change in changes]
        await self._publisher.publish([self._make_progress(row) for row in rows if row.effects])
        for row in rows:
            self._note_progress(group.store, row)

    async def _apply(self, store: BatchStore, event: BatchEvent, record: LogRecord) -> None:
        row = store.get_batch(event.batch_id)
        if row is not None and record.offset <= row.offset:
            if record.offset == row.offset:
                await self._publish(store, row, event, record.append_s)
            return
        changes = step(
            row,
            event,
            offset=record.offset,
            now_s=record.append_s,
            rows=store,
            keep_s=self._keep_s,
        )
        if changes is None:
            return
        if changes.is_removed:
            await self._forget(store, changes.row)
            return
        await store.commit(changes)
        await self._publish(store, changes.row, event, record.append_s)

    async def _publish(
        self, store: BatchStore, row: Batch, event: BatchEvent, append_s: float
    ) -> None:
        for effect in row.effects:
            match effect:
                case PublishProgress():
                    await self._publisher.publish([self._make_progress(row)])
                case RejectCancel():
                    await self._answer_cancel(event, effect, append_s)
                case CancelMembers():
                    await self._cancel_members(store, row, effect, event)
        self._note_progress(store, row)

    def _note_progress(self, store: BatchStore, row: Batch) -> None:
        """Remember whether `run` must publish the progress of this row."""
        key = store.partition, row.batch_id
        if row.is_published or not row.total:
            self._unpublished.discard(key)
        else:
            self._unpublished.add(key)

    async def _answer_cancel(
        self, event: BatchEvent, effect: RejectCancel, append_s: float
    ) -> None:
        if isinstance(event, BatchCancelRequested):
            partial = PartialRequest(id=event.cancel_id, trace=event.trace)
            error = Error(effect.code, effect.detail)
            answer = self._record_mapper.map_rejected(
                event.source_record, partial, None, error, append_s
            )
            await self._publisher.publish(answer)

    async def _cancel_members(
        self, store: BatchStore, row: Batch, effect: CancelMembers, event: BatchEvent
    ) -> None:
        trace = event.trace if isinstance(event, BatchCancelRequested) else ()
        for first in effect.firsts:
            members = store.get_members(row.batch_id, first)
            if members is None:
                continue
            cancels = [
                CancelRequested(
                    phone=member[0],
                    id=member[1] or default_id(row.batch_id, index),
                    trace=trace,
                )
                for index, member in enumerate(members.members, first)
                if member is not None
            ]
            for start in range(0, len(cancels), _MAX_CANCELS_PER_PUBLISH):
                await self._publisher.publish(
                    [
                        OutgoingRecord(
                            self._phone_log, events.encode(cancel), key=cancel.phone.encode()
                        )
                        for cancel in cancels[start : start + _MAX_CANCELS_PER_PUBLISH]
                    ]
                )

    def _make_progress(self, row: Batch) -> OutgoingRecord:
        value = contract.encode(make_progress(row))
        return OutgoingRecord(self._progress_topic, value, key=row.batch_id.encode())

    async def _forget(self, store: BatchStore, row: Batch) -> None:
        tombstone = OutgoingRecord(self._progress_topic, None, key=row.batch_id.encode())
        await self._publisher.publish([tombstone] if row.total else [])
        await store.remove(row)
        self._unpublished.discard((store.partition, row.batch_id))

    # -- what is due without an event

    def load(self) -> None:
        """After a recovery and before any event: find the progress that is not published."""
        self._unpublished = {
            (store.partition, row.batch_id)
            for store in self._owned_stores()
            for row in store.iter_batches()
            if row.total and not row.is_published
        }

    async def run(self) -> None:
        """Until cancelled."""
        sweep_in_s = SWEEP_INTERVAL_S
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            await self.publish_unpublished()
            sweep_in_s -= PROGRESS_INTERVAL_S
            if sweep_in_s <= 0:
                await self.sweep()
                sweep_in_s = SWEEP_INTERVAL_S

    async def publish_unpublished(self) -> None:
        """Publish the progress of each batch that has changed since its last one, as it is now."""
        pending, self._unpublished = self._unpublished, set()
        stores = {store.partition: store for store in self._owned_stores()}
        rows = [self._read(stores.get(partition), batch_id) for partition, batch_id in pending]
        await self._publisher.publish([self._make_progress(row) for row in rows if row])

    def _read(self, store: BatchStore | None, batch_id: str) -> Batch | None:
        try:
            return None if store is None else store.get_batch(batch_id)
        except PartitionRevoked:
            return None

    async def sweep(self) -> None:
        """Name the batches that may be forgotten; returns when the log has them."""
        for store in self._owned_stores():
            try:
                records = list(self._collect_old(store))
            except PartitionRevoked:
                continue
            await self._publisher.publish(records)

    def _collect_old(self, store: BatchStore) -> Iterator[OutgoingRecord]:
        now_s = self._now_s()
        for row in store.iter_batches():
            if can_be_forgotten(row, now_s, self._keep_s):
                event = BatchRetentionElapsed(batch_id=row.batch_id)
                yield self._record_mapper.batches.make_record(event)


def make_progress(row: Batch) -> BatchProgress:
    """The counts as the contract shows them: a message counts in each status that it has reached."""
    sent = row.count("sent", "delivered", "read")
    ended = row.count("failed", "expired", "cancelled", "unknown")
    return BatchProgress(
        batch_id=row.batch_id,
        total=row.distinct_total,
        accepted=row.count("accepted") + sent + ended,
        sent=sent,
        delivered=row.count("delivered", "read"),
        read=row.count("read"),
        failed=row.count("failed"),
        rejected=row.count("rejected"),
        expired=row.count("expired"),
        cancelled=row.count("cancelled"),
        unknown=row.count("unknown"),
        started_at=format_rfc3339(row.started_at_s),
        finished_at=format_rfc3339(row.finished_at_s) if row.finished_at_s else None,
    )
