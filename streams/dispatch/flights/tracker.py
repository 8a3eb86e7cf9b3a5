"""The dispatches that senders have, and when no claim of each can be in time any more. Derived data.

Nothing is published and nothing is decided about a message here.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.domain.phone.state import InFlight, Phone


class Instant(NamedTuple):
    """One moment on the broker's clock, which is estimated and may be set, and on the monotonic clock."""

    broker_s: float
    mono_s: float


@dataclass(slots=True)
class Flight:
    """One dispatch, seen by this process since `since`.

    `published_by`: its command was published before then; None: it may be published again. That is so after a
    recovery: the event that caused the dispatch may be applied once more.
    """

    partition: int
    phone: str
    in_flight: InFlight
    since: Instant
    published_by: Instant | None
    reported_mono_s: float = float("-inf")  # when an event about it was published last
    resolve_count: int = 0  # how often its claim was read, or should have been

    @property
    def is_marked(self) -> bool:
        """Whether the row says that it is overdue."""
        return self.in_flight.overdue_since_s > 0

    @property
    def timeout_s(self) -> float:
        """For how long after the append time of its command a claim is in time."""
        return self.in_flight.deadline_s - self.in_flight.since_s

    @property
    def closes_at_s(self) -> float:
        """From then on, by the broker's clock, no claim of it is in time; infinity: not known yet."""
        if self.published_by is None:
            return float("inf")
        return max(self.in_flight.deadline_s, self.published_by.broker_s + self.timeout_s)

    def is_overdue(self, now: Instant, margin_s: float) -> bool:
        """Whether it should have had an outcome before now, by this margin."""
        if self.published_by is None and now.broker_s >= self.in_flight.deadline_s + margin_s:
            return True
        since = self.published_by or self.since
        return now.mono_s >= since.mono_s + self.timeout_s + margin_s


class FlightTracker:
    """The flights of the partitions that this process owns."""

    def __init__(
        self, now_s: Callable[[], float], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`now_s`: no record that the broker has appended has a later time."""
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        self._flights: defaultdict[int, dict[str, Flight]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Flight]:
        """All of them, as they are now."""
        return iter([flight for flights in self._flights.values() for flight in flights.values()])

    def now(self) -> Instant:
        """This moment."""
        return Instant(self._now_s(), self._monotonic_s())

    def clear(self) -> None:
        """Forget everything: this process may own other partitions now."""
        self._flights.clear()

    def load(self, partition: int, phone: str, row: Phone) -> None:
        """The row as it was recovered. The event that wrote it may still be applied again."""
        if row.in_flight is None:
            return
        now = self.now()
        published_by = now if row.in_flight.overdue_since_s > 0 else None
        flight = Flight(partition, phone, row.in_flight, now, published_by)
        self._flights[partition][phone] = flight

    def update(self, partition: int, phone: str, row: Phone | None) -> None:
        """An event of this phone was applied and what it caused was published; the row is this now."""
        flights = self._flights[partition]
        if row is None or row.in_flight is None:
            flights.pop(phone, None)
            return
        flight, now = flights.get(phone), self.now()
        if flight is None or not _is_same(flight.in_flight, row.in_flight):
            flights[phone] = Flight(partition, phone, row.in_flight, now, now)
            return
        if flight.in_flight.overdue_since_s != row.in_flight.overdue_since_s:
            flight.reported_mono_s = float("-inf")
        flight.in_flight = row.in_flight
        flight.published_by = flight.published_by or now

    def count_overdue(self) -> int:
        """How many flights have no outcome although their deadline is over."""
        now = self.now()
        return sum(flight.is_overdue(now, 0.0) for flight in self)


def _is_same(flight: InFlight, other: InFlight) -> bool:
    return (flight.id, flight.dispatch_number) == (other.id, other.dispatch_number)
