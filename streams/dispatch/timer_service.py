"""The timer service: writes an event to the phone log when a phone's time or turn has come.

It holds one scheduler per partition: derived data, rebuilt from the rows after each recovery. A timer
event that is lost with the process is found again by that rebuild. One that is published twice is stale
the second time and changes nothing. It never touches a row.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from streams.dispatch.accounts import Accounts
from streams.dispatch.flights.tracker import FlightTracker
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.domain.phone.state import Phone

_MAX_SLEEP_S: Final = (
    1.0  # heartbeats are checked as often, and a jump of the clock is accepted at some moment
)


class TimerService:
    """Publishes `TimerFired` and `ScheduleDue` to the partitions that this process owns."""

    def __init__(
        self,
        accounts: Accounts,
        publisher: Publisher,
        topic: str,
        max_in_flight: int,
        now_s: Callable[[], float],
        latest_s: Callable[[], float] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now_s` is a time that has certainly passed on the broker's clock, and `latest_s` one that has not.

        None: the clock is known exactly.
        """
        self._accounts = accounts
        self._publisher = publisher
        self._topic = topic
        self._max_in_flight = max_in_flight
        self._now_s = now_s
        self._schedulers: dict[int, Scheduler] = {}
        self.flights = FlightTracker(latest_s or now_s, monotonic_s)
        self._notified = asyncio.Event()

    def get_scheduler(self, partition: int) -> Scheduler:
        """The scheduler of a partition."""
        if partition not in self._schedulers:
            self._schedulers[partition] = Scheduler(self._max_in_flight)
        return self._schedulers[partition]

    def make_record(self, partition: int, event: Event) -> OutgoingRecord:
        """The record of an event for this partition of the phone log."""
        return make_event_record(self._topic, partition, event)

    def update_phone(self, partition: int, phone: str, row: Phone | None) -> None:
        """An event was applied, and the phone's row is this now; None: it has none."""
        self.decide_phone(partition, phone, row)
        self.flights.update(partition, phone, row)
        self.notify()

    def decide_phone(self, partition: int, phone: str, row: Phone | None) -> None:
        """It is decided that the phone's row will be this, so the next decision sees the places that it takes.

        `flights` must not learn of it before its command is published: they count the time from then.
        """
        self._update_scheduler(partition, phone, row)

    def _update_scheduler(self, partition: int, phone: str, row: Phone | None) -> None:
        scheduler = self.get_scheduler(partition)
        scheduler.update(phone, row)
        for message in row.journal.messages if row else ():
            scheduler.schedule(phone, message.id, message.wake_at_s)

    def clear(self) -> None:
        """Forget everything: this process may own other partitions now."""
        self._schedulers.clear()
        self.flights.clear()

    def load_phone(self, partition: int, row: Phone) -> None:
        """A row as it was recovered."""
        self.flights.load(partition, row.phone, row)
        self._update_scheduler(partition, row.phone, row)
        self.notify()

    def load_scheduled(self, store: PhoneStore) -> None:
        """Load the scheduled messages of a partition; `load_phone` brings everything else."""
        scheduler = self.get_scheduler(store.partition)
        for phone, request_id, at_s in store.scan_scheduled():
            scheduler.schedule(phone, request_id, at_s)

    def shift_timers(self, by_s: float) -> None:
        """The broker's clock was set by this much. What a caller has chosen (`send_at`) means the new time."""
        for scheduler in self._schedulers.values():
            scheduler.shift_timers(by_s)
        self.notify()

    def notify(self) -> None:
        """Something changed: check at once what is due."""
        self._notified.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._notified.clear()
            await self._publisher.publish(self.collect_due_records())
            await self._wait_until_next()

    def collect_due_records(self) -> list[OutgoingRecord]:
        """The events whose time or turn has come; each is returned once."""
        self._accounts.check_heartbeats()
        now_s = self._now_s()
        availabilities = self._accounts.get_availabilities(now_s)
        return [
            make_event_record(self._topic, partition, event)
            for partition, scheduler in self._schedulers.items()
            for event in (
                *scheduler.pop_due_events(now_s),
                *scheduler.wake_phones(availabilities),
            )
        ]

    async def _wait_until_next(self) -> None:
        now_s = self._now_s()
        next_s = min(self._next_due_s(), self._accounts.next_change_s(now_s))
        wait_s = min(max(next_s - now_s, 0.0), _MAX_SLEEP_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._notified.wait()
        except TimeoutError:
            return

    def _next_due_s(self) -> float:
        return min(
            (scheduler.next_timer_at_s() for scheduler in self._schedulers.values()),
            default=float("inf"),
        )

    # -- for probes and metrics

    def count_waiting_phones(self) -> int:
        """How many phones wait for a time or a turn."""
        return sum(len(scheduler) for scheduler in self._schedulers.values())

    def iter_phones(self) -> Iterator[tuple[int, str]]:
        """Every phone with messages that wait or are in flight, with its partition."""
        for partition, scheduler in self._schedulers.items():
            for phone in scheduler.iter_phones():
                yield partition, phone

    def count_in_flight(self) -> int:
        """How many dispatches senders have."""
        return sum(scheduler.in_flight_count for scheduler in self._schedulers.values())

    def overdue_s(self) -> float:
        """How late the first timer that is due is; 0 if none is due."""
        return max(0.0, self._now_s() - self._next_due_s())


def make_event_record(topic: str, partition: int, event: Event) -> OutgoingRecord:
    """The record of an event, for the partition that its phone is in."""
    key = event.phone.encode()
    return OutgoingRecord(topic=topic, key=key, value=events.encode(event), partition=partition)
