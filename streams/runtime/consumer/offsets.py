"""The offsets of one partition: which record is next, and which are in progress. Pure bookkeeping.

It holds two rules. **Contiguous**: a record may be delivered when every offset between the last one and it is known to
hold nothing for us (a control record, an aborted or a compacted one). **Commit**: up to the oldest record that was
delivered and is not acknowledged, in whatever order the others were acknowledged.
"""

from collections import deque
from dataclasses import dataclass, field

OffsetRange = tuple[int, int]  # offsets [from, to) that are known to hold nothing for us


@dataclass(slots=True)
class OffsetTracker:
    """`next_offset` is the offset of the next record to deliver."""

    next_offset: int
    unacked_bytes: int = 0  # of the records in progress
    _unacked: deque[tuple[int, int]] = field(default_factory=deque)  # offset and size
    _acked: set[int] = field(default_factory=set)

    def already_delivered(self, offset: int) -> bool:
        """Whether the record at this offset was delivered already."""
        return offset < self.next_offset

    def is_contiguous(self, gap_free_from: int) -> bool:
        """Whether a record may be delivered that is known to be the first one at or after `gap_free_from`."""
        return gap_free_from <= self.next_offset

    def skip(self, offset: int) -> None:
        """Deliver a record that needs no acknowledgement."""
        self.next_offset = offset + 1

    def deliver(self, offset: int, size: int) -> None:
        """Deliver a record of `size` bytes; nothing commits past it before it is acknowledged."""
        self.next_offset = offset + 1
        self.unacked_bytes += size
        self._unacked.append((offset, size))

    def acknowledge(self, offsets: set[int]) -> None:
        """Enter these acknowledgements, and forget every record that no older one holds back. Empties `offsets`."""
        self._acked |= offsets
        offsets.clear()
        while self._unacked and self._unacked[0][0] in self._acked:
            offset, size = self._unacked.popleft()
            self._acked.discard(offset)
            self.unacked_bytes -= size

    @property
    def oldest_unacked(self) -> int | None:
        """The oldest record that was delivered and is not acknowledged."""
        return self._unacked[0][0] if self._unacked else None

    def committable_offset(self, empty_range: OffsetRange | None) -> int:
        """The offset to commit: nothing before it has to be read again.

        `empty_range` is the last range that is known to be empty. Without it, control records at the very
        end of a partition would count as lag for ever.
        """
        if self._unacked:
            return self._unacked[0][0]
        if empty_range is not None and empty_range[0] <= self.next_offset < empty_range[1]:
            self.next_offset = empty_range[1]
        return self.next_offset
