"""The events that wait for one endpoint: in order for each recipient, and one at a time. Pure.

An event that fails holds up those behind it of the same recipient, and nothing else. Of the recipients whose next
event is due, the one that is due for the longest comes first, so neither new events nor failed ones starve.
"""

import heapq
from collections import deque


class DeliveryQueue:
    """Events by their number; a higher number is a later event."""

    def __init__(self) -> None:
        self._events: dict[str, deque[tuple[int, float]]] = {}  # by recipient, the next one first
        self._due: list[
            tuple[float, int, str]
        ] = []  # the next event of each recipient not in flight
        self._in_flight: dict[int, str] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def in_flight(self) -> int:
        """The number of events that were taken and have not come back."""
        return len(self._in_flight)

    def add(self, number: int, recipient: str, due_s: float) -> None:
        """Add an event behind the others of its recipient. It is due at this time, and not before its turn."""
        events = self._events.setdefault(recipient, deque())
        events.append((number, due_s))
        self._count += 1
        if len(events) == 1:
            heapq.heappush(self._due, (due_s, number, recipient))

    def take(self, now_s: float) -> int | None:
        """The next event that is due, which is then in flight; None: there is none."""
        if not self._due or self._due[0][0] > now_s:
            return None
        _, number, recipient = heapq.heappop(self._due)
        self._in_flight[number] = recipient
        return number

    def remove(self, number: int) -> None:
        """An event in flight is done with, and the next one of its recipient has its turn."""
        recipient = self._in_flight.pop(number)
        events = self._events[recipient]
        events.popleft()
        self._count -= 1
        if events:
            next_number, due_s = events[0]
            heapq.heappush(self._due, (due_s, next_number, recipient))
        else:
            del self._events[recipient]

    def put_back(self, number: int, due_s: float) -> None:
        """An event in flight waits again, in front of the others of its recipient."""
        heapq.heappush(self._due, (due_s, number, self._in_flight.pop(number)))

    def next_due_s(self) -> float | None:
        """When the next event is due; None: nothing waits that is not in flight."""
        return self._due[0][0] if self._due else None
