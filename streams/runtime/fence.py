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

from streams.runtime.exit_codes import Exit, leave

SHARE_OF_SESSION = 0.7  # what is left of the session is for the act that was allowed
SHARE_OF_HEARTBEAT = 1.5


class Fence:
    """`limit_s`: how old the last answered heartbeat may be. `predecessor`: this member id was used
    by a process before us, which may still act for `limit_s` after we have joined.
    """

    def __init__(
        self,
        limit_s: float,
        *,
        predecessor: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
        leave: Callable[[Exit, str], object] = leave,
    ) -> None:
        self.limit_s = limit_s
        self._predecessor = predecessor
        self._clock_s = clock_s
        self._leave = leave
        self._fresh_s: float | None = None  # when the last answered heartbeat was asked
        self._lost = False
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    # -- told, from any thread

    def joined(self) -> None:
        """A generation of the group begins, and we are in it."""
        self._tell(self._clock_s(), lost=False)

    def answered(self, asked_s: float) -> None:
        """The broker says that we are a member; `asked_s` is the time *before* the question."""
        self._tell(asked_s, self._lost)

    def handed_back(self) -> None:
        """All partitions are given back, nothing of them is being worked on: nothing to fence."""
        self._tell(None, lost=False)

    def generation_lost(self) -> None:
        """The broker does not know us, or our generation, any more."""
        self._tell(self._fresh_s, lost=True)

    def _tell(self, fresh_s: float | None, lost: bool) -> None:
        with self._lock:
            self._fresh_s, self._lost = fresh_s, lost
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            loop.call_soon_threadsafe(_wake, future)

    # -- asked, in the event loop

    async def check(self) -> None:
        """Right before anything that cannot be taken back. Returns while we are surely a member.

        Waits in an outage and while the group is regrouping; ends the process with
        `Exit.FENCED` when our partitions have gone to others.
        """
        while not (self._held() and self._young()):
            await self._news()

    async def before_write(self) -> None:
        """Right before a produce request. As `check`, but open when there is nothing to fence."""
        while self._held() and not self._young():
            await self._news()

    def age_s(self) -> float | None:
        """Seconds since the last answered heartbeat; None: no member."""
        fresh_s = self._fresh_s
        return None if fresh_s is None else self._clock_s() - fresh_s

    def _held(self) -> bool:
        """Whether we have partitions, for all we know."""
        with self._lock:
            held, lost = self._fresh_s is not None, self._lost
        if held and lost:
            self._leave(Exit.FENCED, "no longer a member of the group: others have the partitions")
        return held

    def _young(self) -> bool:
        age_s = self.age_s()
        return age_s is not None and age_s <= self.limit_s

    async def _news(self) -> None:
        """Wait until something is told. What is told in between ends the wait at once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._fresh_s is not None and (self._lost or self._young()):
                return
            self._waiting.append((loop, future))
        try:
            await future
        finally:
            with self._lock:
                self._waiting = [each for each in self._waiting if each[1] is not future]

    async def outwait_predecessor(self) -> None:
        """Once, after the first join and before recovery: let a former holder's fence shut.

        A member with a static id gets its partitions back at once, without waiting for the session of
        the process that had the id before. That one may be frozen, wake up, and find its last
        heartbeat young for `limit_s`.
        """
        if self._predecessor:
            self._predecessor = False
            await asyncio.sleep(self.limit_s)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
