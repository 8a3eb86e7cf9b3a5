"""The watchdog: ends a process that makes no progress although the broker answers. A restart cures it.

It watches three things. The event loop (exit 76), from a thread. Becoming ready (77): a join or a recovery that makes
no progress. Each partition (78): there is something to read or to commit, and neither advances for longer than the
longest event may take. If the broker does not answer, or a topic is missing, that is not the worker's fault, and the
watchdog does nothing (obstacles/monitor.py).

It starts before the app joins the group: Faust starts its own tasks only after the first recovery, so they would
never run when that one is stuck. It asks the broker through the *producer's* client, because the consumer's thread may
be what is stuck. Its clock stands still while the process is suspended (SIGSTOP, a paused VM).
"""

import asyncio
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError
from faust.exceptions import NotReady
from faust.types import TP

from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.protocols import Watched
from streams.system.task_report import describe_tasks

log = logging.getLogger(__name__)

# Where the last words of a stuck process go: standard error, past Python's buffers and locks.
stderr_descriptor = 2

GRACE_PERIOD_S = 30.0
READINESS = "ready"  # the key of the mark of a process that is not ready


@dataclass(frozen=True, slots=True)
class WatchdogTimeouts:
    """How long each thing may stand still, in seconds."""

    partition_timeout_s: float  # a partition that has something to read or to commit
    readiness_timeout_s: float  # joining and recovering
    resync_after_s: float = 10.0  # a partition that has nothing in progress and is not at its end
    check_interval_s: float = 2.0
    broker_timeout_s: float = 5.0  # one request to the broker
    loop_timeout_s: float = 120.0

    @classmethod
    def derive(cls, event_timeout_s: float, session_timeout_s: float) -> "WatchdogTimeouts":
        """Enough for the longest event, and for a group to notice a dead member and to rebalance."""
        return cls(
            partition_timeout_s=event_timeout_s + GRACE_PERIOD_S,
            readiness_timeout_s=2 * session_timeout_s + GRACE_PERIOD_S,
        )


class StallTimer:
    """How long each mark has not changed, by a clock that the caller advances."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._unchanged_since: dict[Hashable, tuple[object, float]] = {}

    def update(self, elapsed_s: float, marks: Mapping[Any, object]) -> dict[Any, float]:
        """Take the current marks; returns for how many seconds each has not changed."""
        self._now_s += elapsed_s
        self._unchanged_since = {
            key: (mark, self._get_start_s(key, mark)) for key, mark in marks.items()
        }
        return {key: self._now_s - start_s for key, (_, start_s) in self._unchanged_since.items()}

    def _get_start_s(self, key: Hashable, mark: object) -> float:
        previous = self._unchanged_since.get(key)
        return previous[1] if previous is not None and previous[0] == mark else self._now_s


class Watchdog:
    """The watchdog of one app."""

    def __init__(
        self,
        app: Watched,
        timeouts: WatchdogTimeouts,
        *,
        terminate: Callable[[ExitCode, str], object] = terminate,
    ) -> None:
        self.timeouts = timeouts
        self._app = app
        self._terminate = terminate
        self._stall_timer = StallTimer()
        self._loop_ticks = 0  # counted in the loop, read by the thread
        self._stopped = threading.Event()

    # -- the event loop

    def start(self) -> None:
        """Start the thread that watches the loop."""
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=self._watch_loop, args=(loop,), name="watchdog", daemon=True
        ).start()

    def _watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        # Counts checks and not time: a suspended process makes no checks.
        idle_checks, last_tick = 0, self._loop_ticks
        while idle_checks < self.timeouts.loop_timeout_s / self.timeouts.check_interval_s:
            if self._stopped.wait(self.timeouts.check_interval_s):
                return
            is_idle = last_tick == self._loop_ticks
            idle_checks, last_tick = idle_checks + 1 if is_idle else 0, self._loop_ticks
        # Does not use logging: the loop may be stuck while it holds one of its locks.
        faulthandler.dump_traceback(file=stderr_descriptor, all_threads=True)
        # A loop may also be idle because each of its tasks waits for another one.
        try:
            tasks = "\n".join(f"waiting: {line}" for line in describe_tasks(loop))
            os.write(stderr_descriptor, tasks.encode())
        finally:  # whatever becomes of the report
            os.write(stderr_descriptor, b"\nthe event loop is stuck (exit 76, LOOP_STUCK)\n")
            os._exit(ExitCode.LOOP_STUCK)

    def stop(self) -> None:
        """The app has ended."""
        self._stopped.set()

    # -- the app

    async def run(self) -> None:
        """Check at intervals until the app has stopped."""
        while True:
            started_s = time.monotonic()
            await asyncio.sleep(self.timeouts.check_interval_s)
            self._loop_ticks += 1
            elapsed_s = min(time.monotonic() - started_s, 2 * self.timeouts.check_interval_s)
            if not self._app.should_stop:
                await self.check(elapsed_s)

    async def check(self, elapsed_s: float) -> None:
        """Check once; `elapsed_s` have passed since the last check."""
        if self._app.obstacle() or not await self._is_broker_reachable():
            self._stall_timer = StallTimer()  # a restart would not help
            return
        if self._app.should_stop:
            return  # since this check began: what has ended now was stopped
        if self._app.typed_consumer.started and self._app.typed_consumer.is_coordinator_dead:
            self._terminate(ExitCode.NOT_READY, "the group's coordinator has died")
        marks = await self._collect_marks()
        if self._app.should_stop:
            return
        for key, stalled_s in self._stall_timer.update(elapsed_s, marks).items():
            if key == READINESS:
                self._check_readiness(stalled_s)
            else:
                await self._check_partition(key, stalled_s, marks[key])

    async def _is_broker_reachable(self) -> bool:
        try:
            client: Any = self._app.typed_producer.client.client
            async with asyncio.timeout(self.timeouts.broker_timeout_s):
                await client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError, NotReady):
            return False
        return True

    async def _collect_marks(self) -> dict[Any, object]:
        consumer = self._app.typed_consumer
        progress = consumer.progress()
        if self._app.rebalancing or not consumer.is_delivering:
            return {READINESS: self._app.recovery_progress()}
        try:
            async with asyncio.timeout(self.timeouts.broker_timeout_s):
                ends = await consumer.highwaters(*progress)
        except (KafkaError, OSError, TimeoutError):
            # The consumer's thread does not answer.
            return {READINESS: self._app.recovery_progress()}
        return {
            partition: (committed, tracker.next_offset, tracker.oldest_unacked)
            for partition, (committed, tracker) in progress.items()
            if (committed or 0) < ends.get(partition, 0)
        }

    def _check_readiness(self, stalled_s: float) -> None:
        if stalled_s > self.timeouts.readiness_timeout_s:
            self._terminate(ExitCode.NOT_READY, f"not ready, and no progress for {stalled_s:.0f} s")

    async def _check_partition(self, partition: TP, stalled_s: float, mark: Any) -> None:
        committed, next_offset, oldest_unacked = mark
        if stalled_s > self.timeouts.partition_timeout_s:
            self._terminate(
                ExitCode.STALLED,
                f"{partition.topic} partition {partition.partition} makes no progress for {stalled_s:.0f} s: "
                f"committed {committed}, next {next_offset}, oldest unacknowledged {oldest_unacked}",
            )
        elif stalled_s > self.timeouts.resync_after_s and oldest_unacked is None:
            # No later record reveals what was lost at the very end of a partition.
            await self._app.typed_consumer.resync(partition)
