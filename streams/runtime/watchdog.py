"""The watchdog: ends a process that does not get on although the broker answers. A restart cures it.

Three things are watched. The event loop (exit 76), by a thread. Getting ready (77): joining or recovering
that does not move. Each partition (78): something to read or to commit, and neither moves for longer than
the longest event may take. A broker that does not answer is the broker's fault, and nothing is done.

It is started before the group is joined: Faust's own tasks start only after the first recovery, so they
would never run when that is stuck. It asks the broker through the *producer's* client: the consumer's
thread may be what is stuck. Its clock stands still while the process is stopped (SIGSTOP, a paused VM).
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError
from faust.exceptions import NotReady
from faust.types import TP

from streams.runtime.exit_codes import Exit, leave

if TYPE_CHECKING:
    from streams.runtime.app import App

log = logging.getLogger(__name__)

GRACE_S = 30.0
READY = "ready"  # the mark of a process that is not ready


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may stand still, in seconds."""

    partition_s: float  # one that has something to read or to commit
    ready_s: float  # joining and recovering
    look_again_after_s: float = 10.0  # a partition at rest whose end is not reached
    look_every_s: float = 2.0
    answer_within_s: float = 5.0  # of the broker
    loop_stuck_s: float = 120.0

    @classmethod
    def of(cls, longest_event_s: float, session_s: float) -> "Patience":
        """Enough for the longest event, and for a group to notice a dead member and to regroup."""
        return cls(partition_s=longest_event_s + GRACE_S, ready_s=2 * session_s + GRACE_S)


class Standstill:
    """For how long each mark has been the same, by a clock that is told how much time passed."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._since: dict[Hashable, tuple[object, float]] = {}

    def see(self, passed_s: float, marks: Mapping[Any, object]) -> dict[Any, float]:
        """The marks now; returns for how many seconds each has not changed."""
        self._now_s += passed_s
        self._since = {key: (mark, self._start(key, mark)) for key, mark in marks.items()}
        return {key: self._now_s - start_s for key, (_, start_s) in self._since.items()}

    def _start(self, key: Hashable, mark: object) -> float:
        before = self._since.get(key)
        return before[1] if before is not None and before[0] == mark else self._now_s


class Watchdog:
    """Of one app."""

    def __init__(self, app: "App", leave: Callable[[Exit, str], object] = leave) -> None:
        self._app = app
        self._leave = leave
        self._still = Standstill()
        self._turns = 0  # of the loop, seen by the thread
        self._ended = threading.Event()

    @property
    def _patience(self) -> Patience:
        return self._app.patience

    # -- the event loop

    def start(self) -> None:
        """Start the thread that watches the loop."""
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()

    def _watch_loop(self) -> None:
        # Counted in looks, not in time: a stopped process does not look.
        looks, seen = 0, self._turns
        while looks < self._patience.loop_stuck_s / self._patience.look_every_s:
            if self._ended.wait(self._patience.look_every_s):
                return
            looks, seen = (looks + 1, seen) if seen == self._turns else (0, self._turns)
        # Not by logging: the loop may be stuck while it holds a lock of it.
        faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)
        os.write(2, b"the event loop is stuck (exit 76, LOOP_STUCK)\n")
        os._exit(Exit.LOOP_STUCK)

    def end(self) -> None:
        """The app has ended."""
        self._ended.set()

    # -- the app

    async def run(self) -> None:
        """Look around until the app has stopped."""
        while True:
            started_s = time.monotonic()
            await asyncio.sleep(self._patience.look_every_s)
            self._turns += 1
            passed_s = min(time.monotonic() - started_s, 2 * self._patience.look_every_s)
            if not self._app.should_stop:
                await self.look(passed_s)

    async def look(self, passed_s: float) -> None:
        """Look once; `passed_s` have passed since the last time."""
        if not await self._broker_answers():
            self._still = Standstill()  # a restart would not help
            return
        if self._app.safe_consumer.started and self._app.safe_consumer.coordination_ended:
            self._leave(Exit.NOT_READY, "the group's coordinator has died")
        marks = await self._marks()
        for key, still_s in self._still.see(passed_s, marks).items():
            if key == READY:
                self._judge_readiness(still_s)
            else:
                await self._judge_partition(key, still_s, marks[key])

    async def _broker_answers(self) -> bool:
        try:
            client: Any = self._app.safe_producer.client.client
            await asyncio.wait_for(client.fetch_all_metadata(), self._patience.answer_within_s)
        except (KafkaError, OSError, TimeoutError, NotReady):
            return False
        return True

    async def _marks(self) -> dict[Any, object]:
        consumer = self._app.safe_consumer
        progress = consumer.progress()
        if self._app.rebalancing or not consumer.handing_out:
            return {READY: self._app.recovered_offsets()}
        try:
            ends = await asyncio.wait_for(
                consumer.highwaters(*progress), self._patience.answer_within_s
            )
        except (KafkaError, OSError, TimeoutError):
            return {READY: self._app.recovered_offsets()}  # the consumer's thread does not answer
        return {
            partition: (committed, turn.next, turn.oldest_open)
            for partition, (committed, turn) in progress.items()
            if (committed or 0) < ends.get(partition, 0)
        }

    def _judge_readiness(self, still_s: float) -> None:
        if still_s > self._patience.ready_s:
            self._leave(Exit.NOT_READY, f"not ready, and nothing moves for {still_s:.0f} s")

    async def _judge_partition(self, partition: TP, still_s: float, mark: Any) -> None:
        _committed, _next, oldest_open = mark
        if still_s > self._patience.partition_s:
            self._leave(
                Exit.STALLED,
                f"{partition.topic} partition {partition.partition} does not move for {still_s:.0f} s: "
                f"committed {_committed}, next {_next}, being worked on since {oldest_open}",
            )
        elif still_s > self._patience.look_again_after_s and oldest_open is None:
            # What was lost at the very end of a partition is shown by no later record.
            await self._app.safe_consumer.look_again(partition)
