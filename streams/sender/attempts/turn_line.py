"""The turns of an account: one attempt after the other waits for the pace and is submitted. Submits nothing.

A turn ends with the ack, or when the ack is late. While the first attempt of the line waits for its ack, the next ones
may be given to the page ahead: it submits each of them as soon as the one before it is accepted, and otherwise not at
all (`Submission.after`). So nothing of the sender lies between two submits. An account that keeps an interval between
its messages has no use for this: there, nobody goes ahead.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from streams.domain.sending.turn_times import TurnTimes
from streams.sender.clock import Clock
from streams.system.tasks import cancel_tasks


@dataclass(slots=True, eq=False)
class Turn:
    """A place in the line. `whatsapp_id`: of its message, if there is one.

    `may_have_followers`: others may be given to the page while this one is submitted. `may_go_ahead`: it may be one of
    them. `predecessor`: the message that must be accepted before this one is submitted. `next_may_join` is set as soon
    as the next attempt has a use for a place.
    """

    whatsapp_id: str | None = None
    may_have_followers: bool = False
    may_go_ahead: bool = False
    predecessor: str | None = None
    is_followed: bool = False  # it is being submitted, and others may be given to the page
    joined_at_s: float = 0.0
    next_may_join: asyncio.Event = field(default_factory=asyncio.Event)


class TurnLine:
    """The turns of one ownership. `may_go_ahead` says whether the account may give the page several messages now."""

    def __init__(self, may_go_ahead: Callable[[], bool], clock: Clock) -> None:
        self.times = TurnTimes()
        self._may_go_ahead = may_go_ahead
        self._clock = clock
        self._turns: list[Turn] = []
        self._change_event = asyncio.Event()
        self._last_end_s = clock.monotonic_s()

    @contextlib.contextmanager
    def place(self, turn: Turn) -> Iterator[None]:
        """Take the last place in the line, until the turn is over."""
        turn.joined_at_s = self._clock.monotonic_s()
        self._turns.append(turn)
        try:
            yield
        finally:
            self._turns.remove(turn)
            self._record_end(turn)
            turn.next_may_join.set()
            self._notify_change()

    def _record_end(self, turn: Turn) -> None:
        now_s = self._clock.monotonic_s()
        if turn.whatsapp_id is not None:
            self.times.record(now_s - max(turn.joined_at_s, self._last_end_s))
        self._last_end_s = now_s

    async def wait(self, turn: Turn) -> None:
        """Return when the pace may be waited for: as the first of the line, or ahead."""
        while not (self._is_first(turn) or self._is_ahead(turn)):
            await self._change_event.wait()
        position = self._turns.index(turn)
        turn.predecessor = self._turns[position - 1].whatsapp_id if position else None

    async def submit(
        self, turn: Turn, call: Coroutine[Any, Any, None], patience_s: float
    ) -> "asyncio.Task[None] | None":
        """Run this submit; returns its task if the ack is late. The patience begins when the turns before are over."""
        task = asyncio.create_task(call, name="submit")
        task.add_done_callback(lambda _: self._end_submit(turn))
        turn.is_followed = turn.may_have_followers
        self._notify_change()
        try:
            while not (self._is_first(turn) or task.done()):
                await self._change_event.wait()
            await asyncio.wait({task}, timeout=patience_s)
        except asyncio.CancelledError:
            await cancel_tasks(task)
            raise
        return None if task.done() else task

    def _end_submit(self, turn: Turn) -> None:
        """The page has answered. If the message needs its turn again, it does not go ahead any more."""
        turn.is_followed = turn.may_go_ahead = turn.may_have_followers = False
        self._notify_change()

    def _is_first(self, turn: Turn) -> bool:
        return self._turns[0] is turn

    def _is_ahead(self, turn: Turn) -> bool:
        """Whether it may be given to the page behind those that are there."""
        return turn.may_go_ahead and self._has_place_behind(self._turns[: self._turns.index(turn)])

    def _has_place_behind(self, turns: list[Turn]) -> bool:
        are_followed = all(turn.is_followed for turn in turns)
        return are_followed and len(turns) <= self.times.submits_ahead and self._may_go_ahead()

    def _notify_change(self) -> None:
        """Wake whoever waits for a place, and let the next one come if the page has a place for it."""
        if self._turns and self._has_place_behind(self._turns):
            self._turns[-1].next_may_join.set()
        self._change_event.set()
        self._change_event = asyncio.Event()
