"""The books of one partition: which record is next, which are being worked on. Pure bookkeeping.

Two rules live here. **In turn**: a record may be handed out when every offset between the last one and
it is known to hold nothing for us (a control record, an aborted or a compacted one). **Commit**: up to
the oldest record that was handed out and is not acknowledged, in whatever order the others were.
"""

from collections import deque
from dataclasses import dataclass, field

OffsetRange = tuple[
    int, int
]  # offsets [from, to) of which it is known that they hold nothing for us


@dataclass(slots=True)
class OffsetTracker:
    """`next` is the offset of the record that is to be handed out next."""

    next_offset: int
    unacked_bytes: int = 0  # of the records that are being worked on
    _unacked: deque[tuple[int, int]] = field(default_factory=deque)  # offset and size
    _acked: set[int] = field(default_factory=set)

    def already_delivered(self, offset: int) -> bool:
        """Whether it was handed out already."""
        return offset < self.next_offset

    def is_contiguous(self, gap_free_from: int) -> bool:
        """Whether a record is in turn that is known to be the first one at or after `since`."""
        return gap_free_from <= self.next_offset

    def skip(self, offset: int) -> None:
        """Handed out without need of an acknowledgement."""
        self.next_offset = offset + 1

    def deliver(self, offset: int, size: int) -> None:
        """Handed out; it is not committed past before it is acknowledged. `size` in bytes."""
        self.next_offset = offset + 1
        self.unacked_bytes += size
        self._unacked.append((offset, size))

    def acknowledge(self, offsets: set[int]) -> None:
        """Take these over, and forget those that nothing older holds back. Empties `offsets`."""
        self._acked |= offsets
        offsets.clear()
        while self._unacked and self._unacked[0][0] in self._acked:
            offset, size = self._unacked.popleft()
            self._acked.discard(offset)
            self.unacked_bytes -= size

    @property
    def oldest_unacked(self) -> int | None:
        """The oldest record handed out and not acknowledged."""
        return self._unacked[0][0] if self._unacked else None

    def committable_offset(self, empty_range: OffsetRange | None) -> int:
        """The offset to commit: what is before it need never be read again.

        `empty` is the last known empty stretch: without it, control records at the very end of a
        partition would look like a lag for ever.
        """
        if self._unacked:
            return self._unacked[0][0]
        if empty_range is not None and empty_range[0] <= self.next_offset < empty_range[1]:
            self.next_offset = empty_range[1]
        return self.next_offset
