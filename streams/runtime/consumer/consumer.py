"""Faust's consumer made safe: no record is lost or committed past, whatever happens around it.

* **Gap rule.** Records are delivered contiguously (offsets.py, fetch.py). A gap means that records were lost on their
  way to this class, or were deleted from the log before they were read; the start of the log shows which. Lost: seek
  back. Deleted: count them, log them, go on. Changelogs are not read here (recovery/changelogs.py).
* **Delivery.** No source record is delivered between a revocation and the end of `perform_seek`, which seeks *every*
  source partition, also those without a commit and those at 0.
* **Commit rule.** Commits go up to the oldest record that was delivered and is not acknowledged.
* **Generations.** Every assignment gets a number of its own (the group's may stay the same when a member rejoins).
  Faust's iterator skips events of an older number and does not acknowledge them. That loses nothing, because they
  are not committed either: `perform_seek` goes back to the commit and delivers them again, with the new number. And
  nothing is processed twice, because every event in progress was waited for before the partitions were released.
* **read_committed.** Records of aborted transactions are not delivered.
* **Back-pressure.** A partition with too many unacknowledged bytes is not read further, however few records they are,
  nor one with too many records in its agent's queue.
* **Cost.** A fetch is delivered at once, past Faust's conductor, sensors and tasks, which cost more than the event.

All of it runs in the app's event loop; what runs in the consumer's own thread is in thread.py.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet
from mode.utils.futures import notify

from streams.kafka.topic_ids import recreated_message
from streams.runtime.consumer.fetch import FetchBatch, record_size_bytes
from streams.runtime.consumer.offsets import OffsetTracker
from streams.runtime.consumer.thread import ConsumerThread, RebalanceListener
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.protocols import FencedApp

MAX_UNACKED_BYTES = 8 << 20  # delivered and not acknowledged, of one partition
MAX_QUEUED_RECORDS = 400  # of one partition, before one more fetch
_FETCH_TIMEOUT_S = 1.0
_FULL_POLL_S = 0.05
_IDLE_POLL_S = 1.0


class Consumer(driver.Consumer):
    """The one consumer of an app."""

    app: FencedApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only
    _thread: ConsumerThread  # pyright: ignore[reportIncompatibleVariableOverride] as made below
    RebalanceListener = RebalanceListener

    def __init__(self, *args: Any, **options: Any) -> None:
        # How many records were deleted before they were read.
        self.deleted_counts: Counter[TP] = Counter()
        self.is_delivering = False
        # Of source partitions, from perform_seek to the next revocation.
        self._trackers: dict[TP, OffsetTracker] = {}
        self._generations = count(1)
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- generations

    def start_generation(self) -> int:
        """Skip events of earlier assignments from now on. For any thread."""
        self.app.consumer_generation_id = generation = next(self._generations)
        return generation

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait until every event in progress is acknowledged, and commit."""
        self.is_delivering = False
        for partition in revoked:
            self._apply_acks(partition)  # super() forgets them
        await super().on_partitions_revoked(revoked)
        self.start_generation()
        self._clear_trackers()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Start again with these partitions."""
        self._clear_trackers()
        await self.app.fence.wait_for_predecessor()
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            # A standby: no recovery follows, which would end with a seek.
            self.is_delivering = True

    def _clear_trackers(self) -> None:
        self.is_delivering = False
        self._trackers.clear()

    # -- where to read

    async def perform_seek(self) -> None:
        """Seek every source partition to its commit, or to its beginning, and deliver from there."""
        generation = self.app.consumer_generation_id
        self._clear_source_trackers()
        await super().perform_seek()
        trackers = await self._initial_trackers()
        for partition, tracker in trackers.items():
            await self.seek(partition, tracker.next_offset)
        # After a revocation in the meantime, the recovery that follows it seeks again.
        if generation == self.app.consumer_generation_id:
            self._trackers = trackers
            self.is_delivering = True

    def _clear_source_trackers(self) -> None:
        self.is_delivering = False
        self._trackers = {}
        for acked_offsets in (self._acked, self._acked_index):
            acked_offsets.clear()

    async def _initial_trackers(self) -> dict[TP, OffsetTracker]:
        source_partitions = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        if not source_partitions:
            return {}
        earliest, ends = await asyncio.gather(
            self.earliest_offsets(*source_partitions), self.highwaters(*source_partitions)
        )
        return {
            partition: self._initial_tracker(partition, earliest[partition], ends[partition])
            for partition in source_partitions
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

    async def resync(self, partition: TP) -> None:
        """Read again from the next offset: records before it were deleted from the log, or lost on their way."""
        tracker = self._trackers.get(partition)
        if tracker is None:
            return
        expected = tracker.next_offset
        try:
            earliest = (await self.earliest_offsets(partition))[partition]
        except (KafkaError, OSError) as error:
            self.log.warning("%s: %r", partition, error)
            return  # the watchdog tries again
        if self._trackers.get(partition) is tracker and tracker.next_offset == expected:
            self._skip_deleted(partition, tracker, earliest)
            await self.seek(partition, tracker.next_offset)

    # -- delivering

    async def _drain_messages(self, fetcher: Any) -> None:
        """Deliver until the fetcher or the consumer is stopped. Faust's own starts two tasks for every record."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                batches, _ = await self._wait_next_records(_FETCH_TIMEOUT_S)
                for partition, batch in (batches or {}).items():
                    await self._deliver(ensure_TP(partition), batch)
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.app.should_stop:
                raise

    async def _wait_next_records(self, timeout: float) -> Any:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        full = {partition for partition in self._trackers if self._is_full(partition)}
        active = self._get_active_partitions() - full
        if not active:
            await self.sleep(_FULL_POLL_S if full else _IDLE_POLL_S)
            return {}, active
        # aiokafka does not notice that a partition has room again, only that records have arrived.
        records = await self._getmany(active, _FULL_POLL_S if full else timeout)
        # If the flow has stopped in the meantime, a rebalance or a recovery is under way. It seeks at its end, and
        # what came too late is read again then.
        return (records, active) if self.flow_active else (None, None)

    def _is_full(self, partition: TP) -> bool:
        tracker = self._apply_acks(partition)
        if tracker is None or tracker.unacked_bytes >= MAX_UNACKED_BYTES:
            return tracker is not None
        return self._get_queue(partition).qsize() >= MAX_QUEUED_RECORDS

    async def _deliver(self, partition: TP, batch: FetchBatch) -> None:
        """Put the records into the queue of the partition's agent, each entered in the tracker."""
        tracker = self._trackers.get(partition)
        if tracker is None:
            return  # read again after the coming seek
        if batch and not tracker.is_contiguous(batch.start_offset):
            await self.resync(partition)
            return
        queue, event_class = self._get_queue(partition), self.app.conf.Event
        for record in batch:
            if tracker.already_delivered(record.offset):
                continue
            tracker.deliver(record.offset, record_size_bytes(record))
            message = self._to_message(partition, record)
            message.refcount = 1
            queue.force_put_nowait(
                event_class(self.app, message.key, message.value, message.headers, message)
            )

    def _get_queue(self, partition: TP) -> Any:
        """The queue of the one agent that reads the partition. Its bound is in `_is_full`."""
        [channel] = self.app.topics._tp_index[partition]
        return channel.queue

    # -- committing

    def ack(self, message: Message) -> bool:
        """The event is done. An event of an earlier assignment does not count: it has been delivered again."""
        if message.generation_id == self.app.consumer_generation_id:
            return super().ack(message)
        self.abandon(message)
        return False

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """`ack` for many events of one partition."""
        generation = self.app.consumer_generation_id
        for message in messages:
            if message.generation_id == generation and not message.acked:
                self._acked_index[message.tp].add(message.offset)
            self.abandon(message)
        notify(self._waiting_for_ack)

    def abandon(self, message: Message) -> None:
        """The event ends unfinished: nothing waits for it or commits it, and the partition's next owner reads it."""
        message.acked = True
        self._unacked_messages.discard(message)

    async def _commit_offsets(
        self, offsets: Mapping[TP, int], start_new_transaction: bool = True
    ) -> bool:
        """Faust would take what it failed to commit for committed, and draw a table for its log at each commit."""
        is_committed = await self._commit(offsets)
        if is_committed:
            self._committed_offset.update(offsets)
        return is_committed

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (
            partition
            for partition in list(self._trackers)
            if topics is None or partition in topics or partition.topic in topics
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
        """Faust's own check, which raises false alarms; ours is watchdog.py."""

    # -- for the watchdog and the probes

    def progress(self) -> dict[TP, tuple[int | None, OffsetTracker]]:
        """For each source partition its committed offset and its tracker."""
        return {
            partition: (self._committed_offset[partition], tracker)
            for partition, tracker in self._trackers.items()
        }

    def unreadable_topics(self) -> set[str]:
        """The topics that the brokers have just refused to let us read."""
        return self._thread.unreadable_topics()

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has ended with an error."""
        return self._thread.is_coordinator_dead
