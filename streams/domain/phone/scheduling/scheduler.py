"""What the phones of one partition wait for, and whose turn it is: derived data, rebuilt from the rows.

The scheduler decides when a phone gets an event (`TimerFired`, `ScheduleDue`), and never what that event
then does. It only names the events; the timer service publishes them. There is no clock, no randomness
and no I/O here.

Each account has `max_in_flight` slots for dispatches in this partition. While phones wait for a slot of an
account, only the phone whose turn it is gets one of it. So a flood to one phone starves no other phone, and an
urgent message overtakes across phones. What an event costs does not grow with the number of phones that wait.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import NOT_READY, AccountCapacities, Availability, Capacity
from streams.domain.phone.events import ScheduleDue, TimerFired
from streams.domain.phone.scheduling.capacities import Capacities
from streams.domain.phone.scheduling.message_times import MessageTimes
from streams.domain.phone.scheduling.slots import Slots
from streams.domain.phone.scheduling.wait_keys import WaitKey, make_wait_key
from streams.domain.phone.scheduling.wait_queues import QueuedPhone, WaitQueues
from streams.domain.phone.state import Phone, Wait

EARLY_TIMER_DELAY_S: Final = 0.5  # of a timer that fired before its time
MAX_PENDING_WAKES: Final = 64  # phones whose wake-up is on its way through the log at one time
_MIN_REBUILD_SIZE: Final = 1000


_Head = tuple[QueuedPhone, int, WaitKey]  # the number makes the order total


class _WaitingPhone(msgspec.Struct):
    """A phone that waits. It keeps `arrival` from wake-up to wake-up, until it waits for nothing."""

    timer_version: int
    arrival: int
    waits: tuple[Wait, ...]
    places: tuple[tuple[WaitKey, int], ...]  # of each wait, the queue and the priority there
    timer_at_s: float


class Scheduler:
    """The phones of one partition."""

    def __init__(self, max_in_flight: int) -> None:
        self._waiting: dict[str, _WaitingPhone] = {}
        self._slots = Slots(max_in_flight)
        self._wait_queues = WaitQueues(self._is_waiting)
        self._new_keys: set[WaitKey] = set()  # of phones that joined since phones were woken
        self._availabilities = Availabilities()  # of the last time that phones were woken,
        self._seen_version = 0  # and what was seen of them then
        self._timers: list[tuple[float, str, int]] = []  # time, phone, timer version
        self._fired_timers: set[str] = set()  # the phones whose timer's event is on its way
        self._message_times = MessageTimes()
        self._last_arrival = 0

    def __len__(self) -> int:
        """How many phones wait for a time or a turn."""
        return len(self._waiting)

    def iter_phones(self) -> Iterator[str]:
        """The phones that wait, have a message in flight, or have one with a time of its own."""
        yield from {*self._waiting, *self._slots.in_flight, *self._message_times.iter_phones()}

    @property
    def in_flight_count(self) -> int:
        """How many dispatches senders have."""
        return len(self._slots.in_flight)

    # -- learning from rows

    def update(self, phone: str, row: Phone | None) -> None:
        """The phone's row is this now; None: it has none. This ends the phone's turn."""
        had_pending_wake = self._slots.release(phone)
        self._slots.set_in_flight(phone, row.in_flight.account if row and row.in_flight else None)
        if row is None or not (row.waits or row.timer_at_s):
            self._waiting.pop(phone, None)
            self._fired_timers.discard(phone)
            return
        previous = self._waiting.get(phone)
        arrival = self._get_arrival(previous)
        places = tuple((make_wait_key(wait), wait.priority_rank) for wait in row.waits)
        self._waiting[phone] = _WaitingPhone(
            row.timer_version, arrival, row.waits, places, row.timer_at_s
        )
        self._set_timer(phone, row, previous, had_pending_wake=had_pending_wake)
        already_queued = previous.waits if previous is not None and not had_pending_wake else ()
        for wait, (wait_key, rank) in zip(row.waits, places, strict=True):
            if wait not in already_queued:
                self._wait_queues.push(wait_key, QueuedPhone(rank, arrival, phone))
                self._new_keys.add(wait_key)

    def schedule(self, phone: str, request_id: str, at_s: float) -> None:
        """A message is to get a `ScheduleDue` at this time; 0: none. An event for one that has left is harmless."""
        self._message_times.set(phone, request_id, at_s)

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
        self._drop_stale_timers()

    def _drop_stale_timers(self) -> None:
        """The memory is bounded by the phones that wait, however often their times change."""
        if len(self._timers) > max(_MIN_REBUILD_SIZE, 2 * len(self._waiting)):
            self._timers = [timer for timer in self._timers if self._is_current(timer)]
            heapq.heapify(self._timers)

    def _is_current(self, timer: tuple[float, str, int]) -> bool:
        _, phone, timer_version = timer
        waiting = self._waiting.get(phone)
        return waiting is not None and waiting.timer_version == timer_version

    def shift_timers(self, by_s: float) -> None:
        """The clock was set by this much: timers keep the time that they have left."""
        self._timers = [(at_s + by_s, phone, version) for at_s, phone, version in self._timers]

    def _get_arrival(self, previous: _WaitingPhone | None) -> int:
        if previous is not None and previous.waits:
            return previous.arrival
        self._last_arrival += 1
        return self._last_arrival

    # -- what a step may use

    def get_capacities(self, phone: str, availabilities: Availabilities) -> AccountCapacities:
        """The accounts for this phone's next step; one that other phones wait for is free only for the next of them."""
        without_new_chats = availabilities.without_new_chats
        has_pending_wake = phone in self._slots.pending

        def make_capacity(name: str, availability: Availability) -> Capacity:
            is_contended = not has_pending_wake and self._wait_queues.is_wanted(
                name, without_new_chats
            )
            is_free = availability is Availability.READY and not is_contended
            return Capacity(
                availability not in NOT_READY,
                self._slots.count_free(name, without_new_chats, phone) if is_free else 0,
                name not in without_new_chats,
                availability is Availability.REMOVED,
                availabilities.get_weight(name),
            )

        return Capacities(availabilities, make_capacity)

    # -- what is due

    def pop_due_events(self, now_s: float) -> list[TimerFired | ScheduleDue]:
        """The events whose time has come; each is returned once."""
        return [*self._pop_due_timers(now_s), *self._message_times.pop_due(now_s)]

    def next_timer_at_s(self) -> float:
        """When `pop_due_events` will have the next event; infinity if nothing waits for a time."""
        timer_at_s = self._timers[0][0] if self._timers else float("inf")
        return min(timer_at_s, self._message_times.next_at_s())

    def wake_phones(self, availabilities: Availabilities) -> list[TimerFired]:
        """The phones whose turn it is now, urgent ones first.

        A slot is reserved for each of them until `update` says what its step made of it.
        """
        self._note_changed_accounts(availabilities)
        wakes: list[TimerFired] = []
        heads = self._collect_heads(availabilities)
        while heads and len(self._slots.pending) < MAX_PENDING_WAKES:
            expected_head, number, wait_key = heapq.heappop(heads)
            if not self._slots.is_unblocked(wait_key, availabilities):
                continue  # the slots went to phones before it
            head = self._wait_queues.get_head(wait_key)
            if head == expected_head:  # otherwise the phone was woken for another of its messages
                wakes.append(self._wake(wait_key))
                head = self._wait_queues.get_head(wait_key)
            if head is not None:
                heapq.heappush(heads, (head, number, wait_key))
        if not heads:
            self._forget_changes()
        return wakes

    def is_awaited(self, account: str) -> bool:
        """Whether phones may wait for a place at this account; False: certainly none does."""
        return self._wait_queues.has_keys(account)

    def take_turn(
        self,
        account: str,
        availabilities: Availabilities,
        is_allowed: Callable[[str], bool],
    ) -> TimerFired | None:
        """The next phone at this account, to be woken at once; None: that is left to `wake_phones`."""
        wait_keys = (*self._wait_queues.list_keys(account), *self._wait_queues.list_keys(None))
        heads = self._list_heads(wait_keys, availabilities)
        if not heads:
            return None
        head, _, wait_key = min(heads)
        return self._wake(wait_key) if is_allowed(head.phone) else None

    def _wake(self, wait_key: WaitKey) -> TimerFired:
        phone = self._wait_queues.pop(wait_key)
        self._slots.reserve(phone, wait_key)
        return TimerFired(phone=phone, timer_version=self._waiting[phone].timer_version)

    def _pop_due_timers(self, now_s: float) -> Iterator[TimerFired]:
        while self._timers and self._timers[0][0] <= now_s:
            timer = heapq.heappop(self._timers)
            _, phone, timer_version = timer
            if self._is_current(timer):
                self._fired_timers.add(phone)
                yield TimerFired(phone=phone, timer_version=timer_version)

    # -- the queues of phones

    def _note_changed_accounts(self, availabilities: Availabilities) -> None:
        """Remember which accounts can do something else than when phones were woken last."""
        changed_accounts = self._slots.changed_accounts
        if availabilities is not self._availabilities:
            changed_accounts.update(self._availabilities)
            self._availabilities, self._seen_version = availabilities, 0
        changed_accounts.update(availabilities.changed_since(self._seen_version))
        self._seen_version = availabilities.version

    def _forget_changes(self) -> None:
        """Every queue that can go on has been asked."""
        self._slots.changed_accounts.clear()
        self._slots.has_changed_for_any = False
        self._new_keys.clear()

    def _collect_heads(self, availabilities: Availabilities) -> list[_Head]:
        """A heap of the first phones of the queues that can go on. Only what has changed can have made them so."""
        changed_accounts = self._slots.changed_accounts
        wait_keys = dict.fromkeys(self._new_keys)
        for account in changed_accounts:
            wait_keys |= dict.fromkeys(self._wait_queues.list_keys(account))
        if self._slots.has_changed_for_any:
            wait_keys |= dict.fromkeys(self._wait_queues.list_all_keys())
        elif changed_accounts:
            wait_keys |= dict.fromkeys(self._wait_queues.list_keys(None))
        heads = self._list_heads(wait_keys, availabilities)
        heapq.heapify(heads)
        return heads

    def _list_heads(
        self, wait_keys: Iterable[WaitKey], availabilities: Availabilities
    ) -> list[_Head]:
        heads: list[_Head] = []
        for number, wait_key in enumerate(wait_keys):
            head = self._wait_queues.get_head(wait_key)
            if head is not None and self._slots.is_unblocked(wait_key, availabilities):
                heads.append((head, number, wait_key))
        return heads

    def _is_waiting(self, wait_key: WaitKey, queued: QueuedPhone) -> bool:
        waiting = self._waiting.get(queued.phone)
        if waiting is None or waiting.arrival != queued.arrival:
            return False
        if queued.phone in self._slots.pending:
            return False
        return (wait_key, queued.priority_rank) in waiting.places
