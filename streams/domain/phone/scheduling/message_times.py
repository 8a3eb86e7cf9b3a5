"""When each message that is scheduled, or that expires, is due: derived data, rebuilt from the rows.

A message has one time at a time. Times that were replaced or removed stay in the heap until their turn comes
or until they are more than half of it, so the memory is bounded by the messages that have a time now. There
is no clock here, and nothing decides what a due message does.
"""

import heapq
from collections.abc import Iterator
from typing import Final, TypeAlias

from streams.domain.phone.events import ScheduleDue

_MIN_REBUILD_SIZE: Final = 1000

_Entry: TypeAlias = tuple[float, str, str]  # time, phone, request id


class MessageTimes:
    """The times of the messages of one partition."""

    def __init__(self) -> None:
        self._times_s: dict[tuple[str, str], float] = {}
        self._heap: list[_Entry] = []

    def __len__(self) -> int:
        """How many messages have a time."""
        return len(self._times_s)

    def iter_phones(self) -> Iterator[str]:
        """The phone of each message that has a time."""
        return (phone for phone, _ in self._times_s)

    def set(self, phone: str, request_id: str, at_s: float) -> None:
        """The message is due at this time; 0: it is never due."""
        key = phone, request_id
        if not at_s:
            self._times_s.pop(key, None)
        elif self._times_s.get(key) != at_s:
            self._times_s[key] = at_s
            heapq.heappush(self._heap, (at_s, *key))
        self._drop_stale_entries()

    def next_at_s(self) -> float:
        """When `pop_due` will have the next event; infinity if no message has a time."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def pop_due(self, now_s: float) -> Iterator[ScheduleDue]:
        """An event for each message whose time has come; each is returned once."""
        while self.next_at_s() <= now_s:
            _, phone, request_id = heapq.heappop(self._heap)
            del self._times_s[phone, request_id]
            yield ScheduleDue(phone=phone, id=request_id)

    def _is_current(self, entry: _Entry) -> bool:
        at_s, *key = entry
        return self._times_s.get((key[0], key[1])) == at_s

    def _drop_stale_entries(self) -> None:
        if len(self._heap) > max(_MIN_REBUILD_SIZE, 2 * len(self._times_s)):
            self._heap = [(at_s, *key) for key, at_s in self._times_s.items()]
            heapq.heapify(self._heap)
