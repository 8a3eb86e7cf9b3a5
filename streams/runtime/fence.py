"""The fence: nothing leaves a process that may no longer be a member of its group.

Being assigned is not being alive. A process that was stopped for longer than its session, and woken,
still believes that the partitions are its own while another works on them. What tells is the age of
the last heartbeat that the broker answered: while that is young, nobody else can have them. An old one
says nothing yet (in an outage all heartbeats are old): wait for the next answer. An answer that we are
no member any more ends the process: to wait would hold up the group, whose partitions others have.

Told by the coordinator, in the consumer's thread; asked in the event loop of the app. One per app.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from streams.runtime.exit_codes import ExitCode, terminate

MAX_AGE_IN_SESSIONS = 0.7  # what is left of the session is for the act that was allowed
MAX_AGE_IN_HEARTBEATS = 1.5


class Fence:
    """`limit_s`: how old the last answered heartbeat may be. `predecessor`: this member id was used
    by a process before us, which may still act for `limit_s` after we have joined.
    """

    def __init__(
        self,
        max_heartbeat_age_s: float,
        *,
        has_predecessor: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
        leave: Callable[[ExitCode, str], object] = terminate,
    ) -> None:
        self.max_heartbeat_age_s = max_heartbeat_age_s
        self._has_predecessor = has_predecessor
        self._clock_s = clock_s
        self._terminate = leave
        self._heartbeat_sent_s: float | None = None  # when the last answered heartbeat was asked
        self._generation_lost = False
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    # -- told, from any thread

    def on_joined(self) -> None:
        """A generation of the group begins, and we are in it."""
        self._set_state(self._clock_s(), generation_lost=False)

    def on_heartbeat(self, sent_s: float) -> None:
        """The broker says that we are a member; `asked_s` is the time *before* the question."""
        self._set_state(sent_s, self._generation_lost)

    def on_revoked(self) -> None:
        """All partitions are given back, nothing of them is being worked on: nothing to fence."""
        self._set_state(None, generation_lost=False)

    def on_generation_lost(self) -> None:
        """The broker does not know us, or our generation, any more."""
        self._set_state(self._heartbeat_sent_s, generation_lost=True)

    def _set_state(self, heartbeat_sent_s: float | None, generation_lost: bool) -> None:
        with self._lock:
            self._heartbeat_sent_s, self._generation_lost = heartbeat_sent_s, generation_lost
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            loop.call_soon_threadsafe(_wake, future)

    # -- asked, in the event loop

    async def ensure_member(self) -> None:
        """Right before anything that cannot be taken back. Returns while we are surely a member.

        Waits in an outage and while the group is regrouping; ends the process with
        `Exit.FENCED` when our partitions have gone to others.
        """
        while not (self._has_partitions() and self._is_heartbeat_fresh()):
            await self._wait_for_change()

    async def check_before_write(self) -> None:
        """Right before a produce request. As `check`, but open when there is nothing to fence."""
        while self._has_partitions() and not self._is_heartbeat_fresh():
            await self._wait_for_change()

    def heartbeat_age_s(self) -> float | None:
        """Seconds since the last answered heartbeat; None: no member."""
        sent_s = self._heartbeat_sent_s
        return None if sent_s is None else self._clock_s() - sent_s

    def _has_partitions(self) -> bool:
        """Whether we have partitions, for all we know."""
        with self._lock:
            has_partitions, generation_lost = (
                self._heartbeat_sent_s is not None,
                self._generation_lost,
            )
        if has_partitions and generation_lost:
            self._terminate(
                ExitCode.FENCED, "no longer a member of the group: others have the partitions"
            )
        return has_partitions

    def _is_heartbeat_fresh(self) -> bool:
        age_s = self.heartbeat_age_s()
        return age_s is not None and age_s <= self.max_heartbeat_age_s

    async def _wait_for_change(self) -> None:
        """Wait until something is told. What is told in between ends the wait at once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._heartbeat_sent_s is not None and (
                self._generation_lost or self._is_heartbeat_fresh()
            ):
                return
            self._waiters.append((loop, future))
        try:
            await future
        finally:
            with self._lock:
                self._waiters = [waiter for waiter in self._waiters if waiter[1] is not future]

    async def wait_for_predecessor(self) -> None:
        """Once, after the first join and before recovery: let a former holder's fence shut.

        A member with a static id gets its partitions back at once, without waiting for the session of
        the process that had the id before. That one may be frozen, wake up, and find its last
        heartbeat young for `limit_s`.
        """
        if self._has_predecessor:
            self._has_predecessor = False
            await asyncio.sleep(self.max_heartbeat_age_s)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
