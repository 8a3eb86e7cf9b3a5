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
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet

from streams.kafka.topic_ids import made_anew
from streams.runtime.consumer.fetch import Answer
from streams.runtime.consumer.offsets import Turn
from streams.runtime.consumer.thread import ConsumerThread, RebalanceListener
from streams.runtime.exit_codes import Exit, leave

if TYPE_CHECKING:
    from streams.runtime.app import App

OPEN_BYTES = 8 << 20  # handed out and not acknowledged, of one partition
_LOOK_FOR_ROOM_S = 0.05
_NOTHING_ASSIGNED_S = 1.0


class Consumer(driver.Consumer):
    """The one consumer of an app."""

    app: "App"  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only
    _thread: ConsumerThread  # pyright: ignore[reportIncompatibleVariableOverride] as made below
    RebalanceListener = RebalanceListener

    def __init__(self, *args: Any, **options: Any) -> None:
        self.deleted: Counter[TP] = Counter()  # records that were deleted before they were read
        self.handing_out = False
        self._turns: dict[TP, Turn] = {}  # of sources, from perform_seek to the next revocation
        self._replays: dict[TP, Turn] = {}  # of changelogs, from seek_wait to the next revocation
        self._since: dict[tuple[TP, int], int] = {}
        self._looked: set[TP] = set()
        self._generations = count(1)
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- generations

    def begin_generation(self) -> int:
        """From now on events of earlier assignments are skipped; from any thread."""
        self.app.consumer_generation_id = generation = next(self._generations)
        return generation

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait until every event that has begun is acknowledged, and commit."""
        self.handing_out = False
        for partition in revoked:
            self._settle(partition)  # what comes next forgets what was acknowledged
        await super().on_partitions_revoked(revoked)
        self.begin_generation()
        self._forget()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin anew with these."""
        self._forget()
        await self.app.fence.outwait_predecessor()
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            self.handing_out = True  # it stands by: no recovery follows, which would end in a seek

    def _forget(self) -> None:
        self.handing_out = False
        self._turns.clear()
        self._replays.clear()

    # -- where to read

    async def perform_seek(self) -> None:
        """Set every source partition to its commit, or to its beginning, and hand out from there."""
        generation = self.app.consumer_generation_id
        self._forget_sources()
        await super().perform_seek()
        turns = await self._first_turns()
        for partition, turn in turns.items():
            await self.seek(partition, turn.next)
        # A revocation meanwhile: the recovery that follows it seeks anew.
        if generation == self.app.consumer_generation_id:
            self._turns = turns
            self.handing_out = True

    def _forget_sources(self) -> None:
        self.handing_out = False
        self._turns = {}
        for books in (self._acked, self._acked_index):
            books.clear()

    async def _first_turns(self) -> dict[TP, Turn]:
        mine = [each for each in self.assignment() if not self._is_changelog_tp(each)]
        if not mine:
            return {}
        earliest, ends = await asyncio.gather(self.earliest_offsets(*mine), self.highwaters(*mine))
        return {each: self._first_turn(each, earliest[each], ends[each]) for each in mine}

    def _first_turn(self, partition: TP, earliest: int, end: int) -> Turn:
        committed = self._read_offset[partition]
        turn = Turn(earliest if committed is None else committed)
        if turn.next > end:
            self.log.critical("%s ends at %d, but %d is committed", partition, end, turn.next)
            leave(Exit.TOPIC_MADE_ANEW, made_anew(partition.topic, self.app.conf.id))
        self._skip_deleted(partition, turn, earliest)
        return turn

    def _skip_deleted(self, partition: TP, turn: Turn, earliest: int) -> None:
        if earliest <= turn.next:
            return
        self.deleted[partition] += earliest - turn.next
        self.log.error(
            "%s: offsets %d to %d were deleted before they were read",
            partition,
            turn.next,
            earliest - 1,
        )
        turn.next = earliest

    async def seek_wait(self, partitions: Any) -> None:
        """Set changelogs to where their tables are; what was fetched before counts no more."""
        self._replays.update({each: Turn(offset) for each, offset in partitions.items()})
        await super().seek_wait(partitions)

    async def look_again(self, partition: TP) -> None:
        """A record did not come in turn, or none comes: deleted in the log, or lost on its way here."""
        turn = self._turn(partition)
        if turn is None:
            return
        expected = turn.next
        try:
            earliest = (await self.earliest_offsets(partition))[partition]
        except (KafkaError, OSError) as error:
            self.log.warning("%s: %r", partition, error)
            return  # the watchdog looks again
        if self._turn(partition) is turn and turn.next == expected:
            self._skip_deleted(partition, turn, earliest)
            await self.seek(partition, turn.next)

    def _turn(self, partition: TP) -> Turn | None:
        return self._turns.get(partition) or self._replays.get(partition)

    # -- handing out

    async def _wait_next_records(self, timeout: float) -> Any:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        full = self._buffered_partitions | {each for each in self._turns if self._is_full(each)}
        active = self._get_active_partitions() - full
        if not active:
            await self.sleep(_LOOK_FOR_ROOM_S if full else _NOTHING_ASSIGNED_S)
            return {}, active
        # aiokafka does not notice that a partition has room again, only that something has come.
        records = await self._getmany(active, _LOOK_FOR_ROOM_S if full else timeout)
        # Faust would go back to the commits when the flow has stopped meanwhile, in the middle of a
        # rebalance or a recovery. That is for the recovery to do, at its end; what came too late is
        # read again then.
        return (records, active) if self.flow_active else (None, None)

    def _is_full(self, partition: TP) -> bool:
        turn = self._settle(partition)
        return turn is not None and turn.open_bytes >= OPEN_BYTES

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        answers = await super()._getmany(active_partitions, timeout)
        self._looked.clear()
        self._since = dict(_since(answers))
        return answers

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """The records that are in turn, with the books kept."""
        async for partition, message in super().getmany(timeout):
            turn = self._turn(partition)
            if turn is None or turn.is_past(message.offset):
                continue  # read again after the coming seek; or handed out already
            if not turn.reaches(self._since[partition, message.offset]):
                await self._look_once(partition)
                continue
            if partition in self._turns:
                turn.hand_out(message.offset, _size(message))
            else:
                turn.pass_over(message.offset)
            yield partition, message

    async def _look_once(self, partition: TP) -> None:
        """Once per answer: all its later records miss their turn too."""
        if partition not in self._looked:
            self._looked.add(partition)
            await self.look_again(partition)

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
            for each in list(self._turns)
            if topics is None or each in topics or each.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        turn = self._settle(tp)
        return None if turn is None else turn.committable(self._thread.known_empty(tp))

    def _settle(self, partition: TP) -> Turn | None:
        turn = self._turns.get(partition)
        if turn is not None:
            turn.acknowledge(self._acked_index[partition])
            self._acked.pop(partition, None)
        return turn

    async def verify_all_partitions_active(self) -> None:
        """Faust's own watch, which cries wolf; ours is watchdog.py."""

    # -- for the watchdog and the probes

    def progress(self) -> dict[TP, tuple[int | None, Turn]]:
        """For each source partition what is committed, and its books."""
        return {each: (self._committed_offset[each], turn) for each, turn in self._turns.items()}

    @property
    def coordination_ended(self) -> bool:
        """Whether the group's coordinator has died of an error."""
        return self._thread.coordination_ended


def _since(answers: Any) -> Iterator[tuple[tuple[TP, int], int]]:
    """For each record the offset since which it is known to be the first."""
    for partition, answer in answers.items():
        assert isinstance(answer, Answer), "safe_install.install() was not called"
        since = answer.start
        for record in answer:
            yield (base.ensure_TP(partition), record.offset), since
            since = record.offset + 1


def _size(message: Message) -> int:
    # -1 for none, as Kafka says it.
    return max(message.serialized_key_size, 0) + max(message.serialized_value_size, 0)
