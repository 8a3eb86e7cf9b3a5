"""What the phones of one partition wait for, and whose turn it is: derived data, rebuilt from the rows.

It decides when a phone is looked at again, and never what then happens: its only act is to name
events (`Woken`, `Due`) that the clock sends to the log. No clock, no dice, no I/O here.

Each account has `window` places for releases in this partition. While phones wait for a turn, nobody
takes a place but the one whose turn it is: so a flood to one phone starves nobody, and an urgent
message overtakes across phones.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from streams.domain.accounts.routing import AccountCapacities, Availability, Capacity
from streams.domain.phone.events import ScheduleDue, TimerFired
from streams.domain.phone.state import Phone, Wait

MAX_PENDING_WAKES = 64  # phones whose wake is on its way through the log at one time

WaitKey = tuple[
    str, str | None
]  # what is waited for: the reason and the only account that would do


class _WaitingPhone(msgspec.Struct):
    """A phone that waits. `since` is its place in the order of arrival, kept from wake to wake."""

    timer_version: int
    arrival: int
    waits: tuple[Wait, ...]
    timer_at_s: float


class Scheduler:
    """One partition's phones. `able` says of each known account what it can do now."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._waiting: dict[str, _WaitingPhone] = {}
        self._in_flight: dict[str, str] = {}
        self._in_flight_counts: Counter[str] = Counter()
        self._pending_wakes: dict[str, WaitKey] = {}
        self._wait_queues: defaultdict[WaitKey, list[tuple[int, int, str]]] = defaultdict(list)
        self._timers: list[tuple[float, str, int]] = []
        self._scheduled_messages: list[tuple[float, str, str]] = []
        self._last_arrival = 0

    def __len__(self) -> int:
        """How many phones wait for a time or a turn."""
        return len(self._waiting)

    @property
    def in_flight_count(self) -> int:
        """How many releases are out."""
        return len(self._in_flight)

    # -- what is so

    def update(self, phone: str, row: Phone | None) -> None:
        """The phone's row is this now; None: it has none. Ends the phone's turn."""
        had_pending_wake = self._pending_wakes.pop(phone, None) is not None
        self._update_in_flight(phone, row.in_flight.account if row and row.in_flight else None)
        if row is None or not (row.waits or row.timer_at_s):
            self._waiting.pop(phone, None)
            return
        previous = self._waiting.get(phone)
        waiting = _WaitingPhone(
            row.timer_version, self._get_arrival(previous), row.waits, row.timer_at_s
        )
        self._waiting[phone] = waiting
        if row.timer_at_s and (
            previous is None
            or (previous.timer_at_s, previous.timer_version) != (row.timer_at_s, row.timer_version)
        ):
            heapq.heappush(self._timers, (row.timer_at_s, phone, row.timer_version))
        already_queued = previous.waits if previous is not None and not had_pending_wake else ()
        for wait in row.waits:
            if wait not in already_queued:
                wait_queue = self._wait_queues[wait.reason, wait.account]
                heapq.heappush(wait_queue, (wait.priority_rank, waiting.arrival, phone))

    def schedule(self, phone: str, request_id: str, at_s: float) -> None:
        """A message is to join its lane at this time; one that has left meanwhile is no harm."""
        heapq.heappush(self._scheduled_messages, (at_s, phone, request_id))

    def _update_in_flight(self, phone: str, account: str | None) -> None:
        previous_account = self._in_flight.pop(phone, None)
        if previous_account is not None:
            self._in_flight_counts[previous_account] -= 1
        if account is not None:
            self._in_flight[phone] = account
            self._in_flight_counts[account] += 1

    def _get_arrival(self, previous: _WaitingPhone | None) -> int:
        if previous is not None and previous.waits:
            return previous.arrival
        self._last_arrival += 1
        return self._last_arrival

    # -- what a step may use

    def get_capacities(
        self, phone: str, availabilities: Mapping[str, Availability]
    ) -> AccountCapacities:
        """The accounts as this phone's next step may see them: whose turn it is not finds none free."""
        has_pending_wake = phone in self._pending_wakes
        is_contended = not has_pending_wake and any(
            self._is_unblocked(wait_key, availabilities) for wait_key in self._iter_wait_keys()
        )
        return {
            name: Capacity(
                availability is not Availability.DOWN,
                0 if is_contended else self._count_free_slots(name, availability, phone),
            )
            for name, availability in availabilities.items()
        }

    def _count_free_slots(
        self, account: str, availability: Availability, except_phone: str = ""
    ) -> int:
        if availability is not Availability.READY:
            return 0
        reserved = sum(
            wait_key[1] in (account, None)
            for phone, wait_key in self._pending_wakes.items()
            if phone != except_phone
        )
        return max(0, self._max_in_flight - self._in_flight_counts[account] - reserved)

    # -- what is to happen

    def pop_due_events(self, now_s: float) -> list[TimerFired | ScheduleDue]:
        """The events whose time has come; each is named once."""
        return [*self._pop_due_timers(now_s), *self._pop_due_messages(now_s)]

    def next_timer_at_s(self) -> float:
        """When `due` will name something next; infinity if nothing waits for a time."""
        times_s = [heap[0][0] for heap in (self._timers, self._scheduled_messages) if heap]
        return min(times_s, default=float("inf"))

    def wake_phones(self, availabilities: Mapping[str, Availability]) -> list[TimerFired]:
        """The phones whose turn it is now, urgent ones first; each has its place until it is seen."""
        wakes: list[TimerFired] = []
        while len(self._pending_wakes) < MAX_PENDING_WAKES:
            wait_key = self._get_next_wait_key(availabilities)
            if wait_key is None:
                break
            phone = heapq.heappop(self._wait_queues[wait_key])[2]
            self._pending_wakes[phone] = wait_key
            wakes.append(TimerFired(phone=phone, timer_version=self._waiting[phone].timer_version))
        return wakes

    def _pop_due_timers(self, now_s: float) -> Iterator[TimerFired]:
        while self._timers and self._timers[0][0] <= now_s:
            timer_at_s, phone, timer_version = heapq.heappop(self._timers)
            waiting = self._waiting.get(phone)
            if waiting is not None and (waiting.timer_at_s, waiting.timer_version) == (
                timer_at_s,
                timer_version,
            ):
                yield TimerFired(phone=phone, timer_version=timer_version)

    def _pop_due_messages(self, now_s: float) -> Iterator[ScheduleDue]:
        while self._scheduled_messages and self._scheduled_messages[0][0] <= now_s:
            _, phone, request_id = heapq.heappop(self._scheduled_messages)
            yield ScheduleDue(phone=phone, id=request_id)

    def _get_next_wait_key(self, availabilities: Mapping[str, Availability]) -> WaitKey | None:
        unblocked = [
            wait_key
            for wait_key in self._iter_wait_keys()
            if self._is_unblocked(wait_key, availabilities)
        ]
        return min(unblocked, key=lambda wait_key: self._wait_queues[wait_key][0], default=None)

    def _iter_wait_keys(self) -> Iterable[WaitKey]:
        """The lines in which somebody still waits."""
        for wait_key in list(self._wait_queues):
            wait_queue = self._wait_queues[wait_key]
            while wait_queue and not self._is_waiting(wait_key, wait_queue[0]):
                heapq.heappop(wait_queue)
            if wait_queue:
                yield wait_key
            else:
                del self._wait_queues[wait_key]

    def _is_waiting(self, wait_key: WaitKey, entry: tuple[int, int, str]) -> bool:
        priority_rank, arrival, phone = entry
        waiting = self._waiting.get(phone)
        if waiting is None or waiting.arrival != arrival or phone in self._pending_wakes:
            return False
        return any(
            (wait.reason, wait.account, wait.priority_rank) == (*wait_key, priority_rank)
            for wait in waiting.waits
        )

    def _is_unblocked(self, wait_key: WaitKey, availabilities: Mapping[str, Availability]) -> bool:
        """Whether a step could now end differently for who waits there.

        Who waits for a turn of an account that is no longer ready may have another one.
        """
        reason, account = wait_key
        candidates = {
            name: availability
            for name, availability in availabilities.items()
            if account in (name, None)
        }
        if reason == "account_busy" and all(
            availability is Availability.DOWN for availability in candidates.values()
        ):
            return True
        return any(
            self._count_free_slots(name, availability) > 0
            for name, availability in candidates.items()
        )
