"""Faust's consumer made safe: no record is lost or committed past, whatever happens around it.

* **Hole rule.** Records are handed out in turn (turn.py, safe_fetch.py). What is not in turn was lost on
  its way here, or deleted from the log before it was read: the log's start tells which. Lost: seek back.
  Deleted: count it, say it, go on. Changelogs are held to the same rule, else a table would have holes.
* **Hand-out.** Nothing of a source is handed out between a revocation and the end of `perform_seek`, which
  seeks *every* source partition, also those without a commit and those at 0.
* **Commit rule.** Up to the oldest record handed out and not acknowledged.
* **Generations.** Every assignment gets a number of its own (the group's may stay the same when a member
  rejoins). Faust's iterator skips events of an older number and does not acknowledge them. Nothing is lost
  by that, since they are not committed either: `perform_seek` goes back to the commit and hands them out
  again, with the new number. Nothing is done twice by it, since every event that had begun was waited for
  before the partitions were given back.
* **read_committed.** Records of aborted transactions are not seen.
* **Room.** A partition with so many bytes being worked on is not read further, however few records it is.

All of it runs in the app's event loop; what runs in the consumer's own thread is in safe_thread.py.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet

from streams.kafka.topic_ids import recreated_message
from streams.runtime.consumer.fetch import FetchBatch
from streams.runtime.consumer.offsets import OffsetTracker
from streams.runtime.consumer.thread import ConsumerThread, RebalanceListener
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.protocols import FencedApp

MAX_UNACKED_BYTES = 8 << 20  # handed out and not acknowledged, of one partition
_FULL_POLL_S = 0.05
_IDLE_POLL_S = 1.0


class Consumer(driver.Consumer):
    """The one consumer of an app."""

    app: FencedApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only
    _thread: ConsumerThread  # pyright: ignore[reportIncompatibleVariableOverride] as made below
    RebalanceListener = RebalanceListener

    def __init__(self, *args: Any, **options: Any) -> None:
        self.deleted_counts: Counter[TP] = (
            Counter()
        )  # records that were deleted before they were read
        self.is_delivering = False
        self._trackers: dict[
            TP, OffsetTracker
        ] = {}  # of sources, from perform_seek to the next revocation
        self._changelog_trackers: dict[
            TP, OffsetTracker
        ] = {}  # of changelogs, from seek_wait to the next revocation
        self._gap_free_from: dict[tuple[TP, int], int] = {}
        self._resynced: set[TP] = set()
        self._generations = count(1)
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- generations

    def start_generation(self) -> int:
        """From now on events of earlier assignments are skipped; from any thread."""
        self.app.consumer_generation_id = generation = next(self._generations)
        return generation

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait until every event that has begun is acknowledged, and commit."""
        self.is_delivering = False
        for partition in revoked:
            self._apply_acks(partition)  # what comes next forgets what was acknowledged
        await super().on_partitions_revoked(revoked)
        self.start_generation()
        self._clear_trackers()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin anew with these."""
        self._clear_trackers()
        await self.app.fence.wait_for_predecessor()
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            # A standby: no recovery follows, which would end with a seek.
            self.is_delivering = True

    def _clear_trackers(self) -> None:
        self.is_delivering = False
        self._trackers.clear()
        self._changelog_trackers.clear()

    # -- where to read

    async def perform_seek(self) -> None:
        """Set every source partition to its commit, or to its beginning, and hand out from there."""
        generation = self.app.consumer_generation_id
        self._clear_source_trackers()
        await super().perform_seek()
        trackers = await self._initial_trackers()
        for partition, tracker in trackers.items():
            await self.seek(partition, tracker.next_offset)
        # A revocation meanwhile: the recovery that follows it seeks anew.
        if generation == self.app.consumer_generation_id:
            self._trackers = trackers
            self.is_delivering = True

    def _clear_source_trackers(self) -> None:
        self.is_delivering = False
        self._trackers = {}
        for acked_offsets in (self._acked, self._acked_index):
            acked_offsets.clear()

    async def _initial_trackers(self) -> dict[TP, OffsetTracker]:
        source_partitions = [each for each in self.assignment() if not self._is_changelog_tp(each)]
        if not source_partitions:
            return {}
        earliest, ends = await asyncio.gather(
            self.earliest_offsets(*source_partitions), self.highwaters(*source_partitions)
        )
        return {
            each: self._initial_tracker(each, earliest[each], ends[each])
            for each in source_partitions
        }

    def _initial_tracker(self, partition: TP, earliest: int, end: int) -> OffsetTracker:
        committed = self._read_offset[partition]
        tracker = OffsetTracker(earliest if committed is None else committed)
        if tracker.next_offset > end:
            self.log.critical(
                "%s ends at %d, but %d is committed", partition, end, tracker.next_offset
            )
            terminate(
                ExitCode.TOPIC_RECREATED, recreated_message(partition.topic, self.app.conf.id)
            )
        self._skip_deleted(partition, tracker, earliest)
        return tracker

    def _skip_deleted(self, partition: TP, tracker: OffsetTracker, earliest: int) -> None:
        if earliest <= tracker.next_offset:
            return
        self.deleted_counts[partition] += earliest - tracker.next_offset
        self.log.error(
            "%s: offsets %d to %d were deleted before they were read",
            partition,
            tracker.next_offset,
            earliest - 1,
        )
        tracker.next_offset = earliest

    async def seek_wait(self, partitions: Any) -> None:
        """Set changelogs to where their tables are; what was fetched before counts no more."""
        self._changelog_trackers.update(
            {each: OffsetTracker(offset) for each, offset in partitions.items()}
        )
        await super().seek_wait(partitions)

    async def resync(self, partition: TP) -> None:
        """A record did not come in turn, or none comes: deleted in the log, or lost on its way here."""
        tracker = self._tracker(partition)
        if tracker is None:
            return
        expected = tracker.next_offset
        try:
            earliest = (await self.earliest_offsets(partition))[partition]
        except (KafkaError, OSError) as error:
            self.log.warning("%s: %r", partition, error)
            return  # the watchdog looks again
        if self._tracker(partition) is tracker and tracker.next_offset == expected:
            self._skip_deleted(partition, tracker, earliest)
            await self.seek(partition, tracker.next_offset)

    def _tracker(self, partition: TP) -> OffsetTracker | None:
        return self._trackers.get(partition) or self._changelog_trackers.get(partition)

    # -- handing out

    async def _wait_next_records(self, timeout: float) -> Any:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        full = self._buffered_partitions | {each for each in self._trackers if self._is_full(each)}
        active = self._get_active_partitions() - full
        if not active:
            await self.sleep(_FULL_POLL_S if full else _IDLE_POLL_S)
            return {}, active
        # aiokafka does not notice that a partition has room again, only that something has come.
        records = await self._getmany(active, _FULL_POLL_S if full else timeout)
        # Faust would go back to the commits when the flow has stopped meanwhile, in the middle of a
        # rebalance or a recovery. That is for the recovery to do, at its end; what came too late is
        # read again then.
        return (records, active) if self.flow_active else (None, None)

    def _is_full(self, partition: TP) -> bool:
        tracker = self._apply_acks(partition)
        return tracker is not None and tracker.unacked_bytes >= MAX_UNACKED_BYTES

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        batches = await super()._getmany(active_partitions, timeout)
        self._resynced.clear()
        self._gap_free_from = dict(_gap_free_offsets(batches))
        return batches

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """The records that are in turn, with the books kept."""
        async for partition, message in super().getmany(timeout):
            tracker = self._tracker(partition)
            if tracker is None or tracker.already_delivered(message.offset):
                continue  # read again after the coming seek; or handed out already
            if not tracker.is_contiguous(self._gap_free_from[partition, message.offset]):
                await self._resync_once(partition)
                continue
            if partition in self._trackers:
                tracker.deliver(message.offset, _size_bytes(message))
            else:
                tracker.skip(message.offset)
            yield partition, message

    async def _resync_once(self, partition: TP) -> None:
        """Once per answer: all its later records miss their turn too."""
        if partition not in self._resynced:
            self._resynced.add(partition)
            await self.resync(partition)

    # -- committing

    def ack(self, message: Message) -> bool:
        """The event is done. One of an earlier assignment was given back, and handed out again since."""
        if message.generation_id == self.app.consumer_generation_id:
            return super().ack(message)
        message.acked = True
        self._unacked_messages.discard(message)
        return False

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust's own books on holes: nobody reads them here, and they would grow for ever."""

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (
            each
            for each in list(self._trackers)
            if topics is None or each in topics or each.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        tracker = self._apply_acks(tp)
        return (
            None
            if tracker is None
            else tracker.committable_offset(self._thread.last_empty_range(tp))
        )

    def _apply_acks(self, partition: TP) -> OffsetTracker | None:
        tracker = self._trackers.get(partition)
        if tracker is not None:
            tracker.acknowledge(self._acked_index[partition])
            self._acked.pop(partition, None)
        return tracker

    async def verify_all_partitions_active(self) -> None:
        """Faust's own watch, which cries wolf; ours is watchdog.py."""

    # -- for the watchdog and the probes

    def progress(self) -> dict[TP, tuple[int | None, OffsetTracker]]:
        """For each source partition what is committed, and its books."""
        return {
            each: (self._committed_offset[each], tracker)
            for each, tracker in self._trackers.items()
        }

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has died of an error."""
        return self._thread.is_coordinator_dead


def _gap_free_offsets(batches: Any) -> Iterator[tuple[tuple[TP, int], int]]:
    """For each record the offset since which it is known to be the first."""
    for partition, batch in batches.items():
        assert isinstance(batch, FetchBatch), "safe_install.install() was not called"
        gap_free_from = batch.start_offset
        for record in batch:
            yield (base.ensure_TP(partition), record.offset), gap_free_from
            gap_free_from = record.offset + 1


def _size_bytes(message: Message) -> int:
    # -1 for none, as Kafka says it.
    return max(message.serialized_key_size, 0) + max(message.serialized_value_size, 0)
