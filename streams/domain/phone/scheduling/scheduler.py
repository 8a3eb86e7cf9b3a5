"""What the phones of one partition wait for, and whose turn it is: derived data, rebuilt from the rows.

The scheduler decides when a phone gets an event (`TimerFired`, `ScheduleDue`), and never what that event
then does. It only names the events; the timer service publishes them. There is no clock, no randomness
and no I/O here.

Each account has `max_in_flight` slots for dispatches in this partition. While phones wait for a slot, only the phone
whose turn it is gets one. So a flood to one phone starves no other, and an urgent message overtakes across phones.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from streams.domain.accounts.routing import (
    DEFAULT_WEIGHT,
    AccountCapacities,
    Availability,
    Capacity,
)
from streams.domain.phone.events import ScheduleDue, TimerFired
from streams.domain.phone.scheduling.message_times import MessageTimes
from streams.domain.phone.scheduling.wait_keys import WaitKey, make_wait_key
from streams.domain.phone.state import Phone, Wait

EARLY_TIMER_DELAY_S: Final = 0.5  # of a timer that fired before its time
_NOT_READY: Final = (Availability.DOWN, Availability.CAPPED, Availability.REMOVED)
MAX_PENDING_WAKES: Final = 64  # phones whose wake-up is on its way through the log at one time


class QueuedPhone(NamedTuple):
    """A phone's place in the queue of a `WaitKey`: by priority, then by arrival."""

    priority_rank: int
    arrival: int
    phone: str


class _WaitingPhone(msgspec.Struct):
    """A phone that waits. It keeps `arrival` from wake-up to wake-up, until it waits for nothing."""

    timer_version: int
    arrival: int
    waits: tuple[Wait, ...]
    timer_at_s: float


class Scheduler:
    """The phones of one partition."""

    def __init__(self, max_in_flight: int, weights: Mapping[str, float] | None = None) -> None:
        """`weights`: the accounts' shares of new conversations."""
        self._max_in_flight = max_in_flight
        self._weights = weights or {}
        self._waiting: dict[str, _WaitingPhone] = {}
        self._in_flight: dict[str, str] = {}  # phone → account
        self._in_flight_counts: Counter[str] = Counter()
        self._pending_wakes: dict[str, WaitKey] = {}
        self._wait_queues: defaultdict[WaitKey, list[QueuedPhone]] = defaultdict(list)
        self._timers: list[tuple[float, str, int]] = []  # time, phone, timer version
        self._fired_timers: set[str] = set()  # the phones whose timer's event is on its way
        self._message_times = MessageTimes()
        self._last_arrival = 0

    def __len__(self) -> int:
        """How many phones wait for a time or a turn."""
        return len(self._waiting)

    def iter_phones(self) -> Iterator[str]:
        """The phones that wait, have a message in flight, or have one with a time of its own."""
        yield from {*self._waiting, *self._in_flight, *self._message_times.iter_phones()}

    @property
    def in_flight_count(self) -> int:
        """How many dispatches senders have."""
        return len(self._in_flight)

    # -- learning from rows

    def update(self, phone: str, row: Phone | None) -> None:
        """The phone's row is this now; None: it has none. This ends the phone's turn."""
        had_pending_wake = self._pending_wakes.pop(phone, None) is not None
        self._update_in_flight(phone, row.in_flight.account if row and row.in_flight else None)
        if row is None or not (row.waits or row.timer_at_s):
            self._waiting.pop(phone, None)
            self._fired_timers.discard(phone)
            return
        previous = self._waiting.get(phone)
        arrival = self._get_arrival(previous)
        self._waiting[phone] = _WaitingPhone(row.timer_version, arrival, row.waits, row.timer_at_s)
        self._set_timer(phone, row, previous, had_pending_wake=had_pending_wake)
        already_queued = previous.waits if previous is not None and not had_pending_wake else ()
        for wait in row.waits:
            if wait not in already_queued:
                wait_queue = self._wait_queues[make_wait_key(wait)]
                heapq.heappush(wait_queue, QueuedPhone(wait.priority_rank, arrival, phone))

    def schedule(self, phone: str, request_id: str, at_s: float) -> None:
        """A message is to get a `ScheduleDue` at this time; 0: none. An event for one that has left is harmless."""
        self._message_times.set(phone, request_id, at_s)

    def _update_in_flight(self, phone: str, account: str | None) -> None:
        previous_account = self._in_flight.pop(phone, None)
        if previous_account is not None:
            self._in_flight_counts[previous_account] -= 1
        if account is not None:
            self._in_flight[phone] = account
            self._in_flight_counts[account] += 1

    def _set_timer(
        self, phone: str, row: Phone, previous: _WaitingPhone | None, *, had_pending_wake: bool
    ) -> None:
        """A timer whose event did not find its time come, by an error of the clock, fires again a little later."""
        if previous is not None and row.timer_version == previous.timer_version:
            return
        has_fired_early = (
            previous is not None
            and not had_pending_wake
            and previous.timer_at_s == row.timer_at_s
            and phone in self._fired_timers
        )
        self._fired_timers.discard(phone)
        if row.timer_at_s:
            delay_s = EARLY_TIMER_DELAY_S if has_fired_early else 0.0
            timer = (row.timer_at_s + delay_s, phone, row.timer_version)
            heapq.heappush(self._timers, timer)

    def shift_timers(self, by_s: float) -> None:
        """The clock was set by this much: timers keep the time that they have left."""
        self._timers = [(at_s + by_s, phone, version) for at_s, phone, version in self._timers]

    def _get_arrival(self, previous: _WaitingPhone | None) -> int:
        if previous is not None and previous.waits:
            return previous.arrival
        self._last_arrival += 1
        return self._last_arrival

    # -- what a step may use

    def get_capacities(
        self,
        phone: str,
        availabilities: Mapping[str, Availability],
        without_new_chats: Collection[str] = (),
    ) -> AccountCapacities:
        """The accounts for this phone's next step; while it is another phone's turn, none is free.

        `without_new_chats`: the accounts that may open no new chats now.
        """
        has_pending_wake = phone in self._pending_wakes
        is_contended = not has_pending_wake and any(
            self._is_unblocked(wait_key, availabilities, without_new_chats)
            for wait_key in self._iter_wait_keys()
        )
        return {
            name: Capacity(
                availability not in _NOT_READY,
                0
                if is_contended
                else self._count_free_slots(name, availability, without_new_chats, phone),
                name not in without_new_chats,
                availability is Availability.REMOVED,
                self._weights.get(name, DEFAULT_WEIGHT),
            )
            for name, availability in availabilities.items()
        }

    def _count_free_slots(
        self,
        account: str,
        availability: Availability,
        without_new_chats: Collection[str],
        except_phone: str = "",
    ) -> int:
        """Slots that are neither in use nor reserved for a phone on its way to its turn."""
        if availability is not Availability.READY:
            return 0
        reserved = sum(
            wait_key.admits(account, without_new_chats)
            for phone, wait_key in self._pending_wakes.items()
            if phone != except_phone
        )
        return max(0, self._max_in_flight - self._in_flight_counts[account] - reserved)

    # -- what is due

    def pop_due_events(self, now_s: float) -> list[TimerFired | ScheduleDue]:
        """The events whose time has come; each is returned once."""
        return [*self._pop_due_timers(now_s), *self._message_times.pop_due(now_s)]

    def next_timer_at_s(self) -> float:
        """When `pop_due_events` will have the next event; infinity if nothing waits for a time."""
        timer_at_s = self._timers[0][0] if self._timers else float("inf")
        return min(timer_at_s, self._message_times.next_at_s())

    def wake_phones(
        self, availabilities: Mapping[str, Availability], without_new_chats: Collection[str] = ()
    ) -> list[TimerFired]:
        """The phones whose turn it is now, urgent ones first.

        A slot is reserved for each of them until `update` says what its step made of it.
        """
        wakes: list[TimerFired] = []
        while len(self._pending_wakes) < MAX_PENDING_WAKES:
            wait_key = self._get_next_wait_key(availabilities, without_new_chats)
            if wait_key is None:
                break
            wakes.append(self._wake_first(wait_key))
        return wakes

    def take_turn(
        self,
        availabilities: Mapping[str, Availability],
        without_new_chats: Collection[str],
        is_allowed: Callable[[str], bool],
    ) -> TimerFired | None:
        """The wake-up of the phone whose turn it is, to be applied at once; None: it is left to `wake_phones`."""
        wait_key = self._get_next_wait_key(availabilities, without_new_chats)
        if wait_key and is_allowed(self._wait_queues[wait_key][0].phone):
            return self._wake_first(wait_key)
        return None

    def _wake_first(self, wait_key: WaitKey) -> TimerFired:
        phone = heapq.heappop(self._wait_queues[wait_key]).phone
        self._pending_wakes[phone] = wait_key
        return TimerFired(phone=phone, timer_version=self._waiting[phone].timer_version)

    def _pop_due_timers(self, now_s: float) -> Iterator[TimerFired]:
        while self._timers and self._timers[0][0] <= now_s:
            _, phone, timer_version = heapq.heappop(self._timers)
            waiting = self._waiting.get(phone)
            if waiting is not None and waiting.timer_version == timer_version:
                self._fired_timers.add(phone)
                yield TimerFired(phone=phone, timer_version=timer_version)

    # -- the queues of phones

    def _get_next_wait_key(
        self, availabilities: Mapping[str, Availability], without_new_chats: Collection[str]
    ) -> WaitKey | None:
        """The queue whose first phone goes next."""
        unblocked = [
            wait_key
            for wait_key in self._iter_wait_keys()
            if self._is_unblocked(wait_key, availabilities, without_new_chats)
        ]
        return min(unblocked, key=lambda wait_key: self._wait_queues[wait_key][0], default=None)

    def _iter_wait_keys(self) -> Iterable[WaitKey]:
        """The queues that have a phone; entries of phones that wait no more are dropped on the way."""
        for wait_key in list(self._wait_queues):
            wait_queue = self._wait_queues[wait_key]
            while wait_queue and not self._is_waiting(wait_key, wait_queue[0]):
                heapq.heappop(wait_queue)
            if wait_queue:
                yield wait_key
            else:
                del self._wait_queues[wait_key]

    def _is_waiting(self, wait_key: WaitKey, queued: QueuedPhone) -> bool:
        waiting = self._waiting.get(queued.phone)
        if waiting is None or waiting.arrival != queued.arrival:
            return False
        if queued.phone in self._pending_wakes:
            return False
        return any(
            (make_wait_key(wait), wait.priority_rank) == (wait_key, queued.priority_rank)
            for wait in waiting.waits
        )

    def _is_unblocked(
        self,
        wait_key: WaitKey,
        availabilities: Mapping[str, Availability],
        without_new_chats: Collection[str],
    ) -> bool:
        """Whether a step could now end differently for the phones in this queue.

        If a phone waits for a busy account that is no longer ready, another account may take it. If it requires
        an account that was removed, its message fails.
        """
        required = availabilities.get(wait_key.account) if wait_key.account is not None else None
        if required is Availability.REMOVED and not wait_key.is_in_doubt:
            return True
        candidates = {
            name: availability
            for name, availability in availabilities.items()
            if wait_key.admits(name, without_new_chats)
        }
        if wait_key.reason == "account_busy" and all(
            availability in _NOT_READY for availability in candidates.values()
        ):
            return True
        return any(
            self._count_free_slots(name, availability, without_new_chats) > 0
            for name, availability in candidates.items()
        )
