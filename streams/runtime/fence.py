"""The fence: nothing leaves a process that may no longer be a member of its group.

Being assigned is not being alive. A process that was suspended for longer than its session, and resumed, still takes
its partitions for its own while another process works on them. The evidence is the age of the last heartbeat that the
broker answered: while it is fresh, no other member can have the partitions. An old one proves nothing yet (in an
outage all heartbeats are old), so the fence waits for the next answer. If the answer is that we are no longer a member,
the process ends: to wait would delay the whole group, whose other members have the partitions.

The coordinator updates the fence from the consumer's thread; the app checks it in its event loop. One per app.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from streams.runtime.exit_codes import ExitCode, terminate

MAX_AGE_IN_SESSIONS = 0.7  # the rest of the session is for the act that was allowed
MAX_AGE_IN_HEARTBEATS = 1.5


class Fence:
    """The fence of one app.

    `max_heartbeat_age_s`: how old the last answered heartbeat may be. `has_predecessor`: another process used this
    member id before, and may still act for `max_heartbeat_age_s` after we have joined.
    """

    def __init__(
        self,
        max_heartbeat_age_s: float,
        *,
        has_predecessor: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
        terminate: Callable[[ExitCode, str], object] = terminate,
    ) -> None:
        self.max_heartbeat_age_s = max_heartbeat_age_s
        self._has_predecessor = has_predecessor
        self._clock_s = clock_s
        self._terminate = terminate
        self._heartbeat_sent_s: float | None = None  # when the last answered heartbeat was sent
        self._generation_lost = False
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    # -- updates, from any thread

    def on_joined(self) -> None:
        """A generation of the group begins, and we are a member of it."""
        self._set_state(self._clock_s(), generation_lost=False)

    def on_heartbeat(self, sent_s: float) -> None:
        """The broker confirms that we are a member; `sent_s` is the time *before* the request."""
        self._set_state(sent_s, self._generation_lost)

    def on_revoked(self) -> None:
        """All partitions are released and nothing of them is in progress: there is nothing to fence."""
        self._set_state(None, generation_lost=False)

    def on_generation_lost(self) -> None:
        """The broker no longer knows us, or our generation."""
        self._set_state(self._heartbeat_sent_s, generation_lost=True)

    def _set_state(self, heartbeat_sent_s: float | None, generation_lost: bool) -> None:
        with self._lock:
            self._heartbeat_sent_s, self._generation_lost = heartbeat_sent_s, generation_lost
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            loop.call_soon_threadsafe(_wake, future)

    # -- checks, in the event loop

    async def ensure_member(self) -> None:
        """Return while we are certainly a member. To be called right before anything that cannot be undone.

        Waits in an outage and while the group is rebalancing. Ends the process with `ExitCode.FENCED` when
        other members have our partitions.
        """
        while not (self._has_partitions() and self._is_heartbeat_fresh()):
            await self._wait_for_change()

    async def check_before_write(self) -> None:
        """Like `ensure_member`, but open when there is nothing to fence. To be called before a produce request."""
        while self._has_partitions() and not self._is_heartbeat_fresh():
            await self._wait_for_change()

    def heartbeat_age_s(self) -> float | None:
        """Seconds since the last answered heartbeat was sent; None if we are not a member."""
        sent_s = self._heartbeat_sent_s
        return None if sent_s is None else self._clock_s() - sent_s

    def _has_partitions(self) -> bool:
        """Whether we have partitions, as far as we know."""
        with self._lock:
            has_partitions = self._heartbeat_sent_s is not None
            generation_lost = self._generation_lost
        if has_partitions and generation_lost:
            self._terminate(
                ExitCode.FENCED, "no longer a member of the group: others have the partitions"
            )
        return has_partitions

    def _is_heartbeat_fresh(self) -> bool:
        age_s = self.heartbeat_age_s()
        return age_s is not None and age_s <= self.max_heartbeat_age_s

    async def _wait_for_change(self) -> None:
        """Wait for the next update. One that came since the check ends the wait at once."""
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
        """Wait once, after the first join and before the recovery, until a predecessor's fence has shut.

        A member with a static id gets its partitions back at once, without waiting for the session of the
        process that had the id before. That process may be suspended, resume, and find its last heartbeat fresh
        for another `max_heartbeat_age_s`.
        """
        if self._has_predecessor:
            self._has_predecessor = False
            await asyncio.sleep(self.max_heartbeat_age_s)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
