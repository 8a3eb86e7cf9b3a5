"""The books of one partition: which record is next, which are being worked on. Pure bookkeeping.

Two rules live here. **In turn**: a record may be handed out when every offset between the last one and
it is known to hold nothing for us (a control record, an aborted or a compacted one). **Commit**: up to
the oldest record that was handed out and is not acknowledged, in whatever order the others were.
"""

from collections import deque
from dataclasses import dataclass, field

Stretch = tuple[int, int]  # offsets [from, to) of which it is known that they hold nothing for us


@dataclass(slots=True)
class Turn:
    """`next` is the offset of the record that is to be handed out next."""

    next: int
    open_bytes: int = 0  # of the records that are being worked on
    _open: deque[tuple[int, int]] = field(default_factory=deque)  # offset and size
    _acked: set[int] = field(default_factory=set)

    def is_past(self, offset: int) -> bool:
        """Whether it was handed out already."""
        return offset < self.next

    def reaches(self, since: int) -> bool:
        """Whether a record is in turn that is known to be the first one at or after `since`."""
        return since <= self.next

    def pass_over(self, offset: int) -> None:
        """Handed out without need of an acknowledgement."""
        self.next = offset + 1

    def hand_out(self, offset: int, size: int) -> None:
        """Handed out; it is not committed past before it is acknowledged. `size` in bytes."""
        self.next = offset + 1
        self.open_bytes += size
        self._open.append((offset, size))

    def acknowledge(self, offsets: set[int]) -> None:
        """Take these over, and forget those that nothing older holds back. Empties `offsets`."""
        self._acked |= offsets
        offsets.clear()
        while self._open and self._open[0][0] in self._acked:
            offset, size = self._open.popleft()
            self._acked.discard(offset)
            self.open_bytes -= size

    @property
    def oldest_open(self) -> int | None:
        """The oldest record handed out and not acknowledged."""
        return self._open[0][0] if self._open else None

    def committable(self, empty: Stretch | None) -> int:
        """The offset to commit: what is before it need never be read again.

        `empty` is the last known empty stretch: without it, control records at the very end of a
        partition would look like a lag for ever.
        """
        if self._open:
            return self._open[0][0]
        if empty is not None and empty[0] <= self.next < empty[1]:
            self.next = empty[1]
        return self.next
