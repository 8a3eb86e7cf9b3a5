"""The dispatches that senders have, and when no claim of each can be in time any more. Derived data.

Nothing is published and nothing is decided about a message here. The time is that of the broker; it is estimated, so
whoever uses `closes_at_s` adds a margin.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streams.domain.phone.state import InFlight, Phone


@dataclass(slots=True)
class Flight:
    """One dispatch. `published_by_s`: its command was published before then; None: it may be published again.

    That is so after a recovery: the event that caused the dispatch may be applied once more.
    """

    partition: int
    phone: str
    in_flight: InFlight
    published_by_s: float | None
    reported_at_s: float = float("-inf")  # when an event about it was published last
    resolve_count: int = 0  # how often its claim was read, or should have been

    @property
    def is_marked(self) -> bool:
        """Whether the row says that it is overdue."""
        return self.in_flight.overdue_since_s > 0

    @property
    def closes_at_s(self) -> float | None:
        """From then on no claim of it is in time; None: not known."""
        if self.published_by_s is None:
            return None
        timeout_s = self.in_flight.deadline_s - self.in_flight.since_s
        return max(self.in_flight.deadline_s, self.published_by_s + timeout_s)

    @property
    def deadline_s(self) -> float:
        """When an outcome is expected at the latest, as far as is known."""
        return self.closes_at_s or self.in_flight.deadline_s


class FlightTracker:
    """The flights of the partitions that this process owns."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: no record that the broker has appended has a later time."""
        self._now_s = now_s
        self._flights: defaultdict[int, dict[str, Flight]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Flight]:
        """All of them, as they are now."""
        return iter([flight for flights in self._flights.values() for flight in flights.values()])

    def clear(self) -> None:
        """Forget everything: this process may own other partitions now."""
        self._flights.clear()

    def load(self, partition: int, phone: str, row: Phone) -> None:
        """The row as it was recovered. An event that wrote it may still be applied again."""
        if row.in_flight is None:
            return
        is_published = row.in_flight.overdue_since_s > 0
        published_by_s = self._now_s() if is_published else None
        flight = Flight(partition, phone, row.in_flight, published_by_s)
        self._flights[partition][phone] = flight

    def update(self, partition: int, phone: str, row: Phone | None) -> None:
        """An event of this phone was applied and what it caused was published; the row is this now."""
        flights = self._flights[partition]
        if row is None or row.in_flight is None:
            flights.pop(phone, None)
            return
        flight = flights.get(phone)
        if flight is None or not _is_same(flight.in_flight, row.in_flight):
            flights[phone] = Flight(partition, phone, row.in_flight, self._now_s())
            return
        if flight.in_flight.overdue_since_s != row.in_flight.overdue_since_s:
            flight.reported_at_s = float("-inf")
        flight.in_flight = row.in_flight
        if flight.published_by_s is None:
            flight.published_by_s = self._now_s()

    def count_overdue(self) -> int:
        """How many flights have no outcome although their deadline is over."""
        now_s = self._now_s()
        return sum(flight.deadline_s <= now_s for flight in self)


def _is_same(flight: InFlight, other: InFlight) -> bool:
    return (flight.id, flight.dispatch_number) == (other.id, other.dispatch_number)
