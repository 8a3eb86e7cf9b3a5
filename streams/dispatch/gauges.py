"""How many phones and messages there are, for probes and metrics.

Derived data. What waits is counted when the rows are recovered. To count the rest takes a walk over all phones
(phone_census.py), so those counts are not known at once. Nothing may be decided by any of them.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.domain.phone.state import Phone

QUEUED, PHONES, RATE_LIMITED, CACHED_LOOKUPS = "queued", "phones", "rate_limited", "cached_lookups"
CONVERSATIONS = "conversations"

# An event of a phone that the walk has just passed may have written its row before, and be counted after it.
_REMEMBERED_SLICES: Final = 50


@dataclass(frozen=True, slots=True)
class _Slice:
    """The phones above `after`, up to `until` or the last one, with the offsets of the rows that the walk has seen."""

    partition: int
    after: str
    until: str | None
    offsets: dict[str, int]

    def covers(self, partition: int, phone: str) -> bool:
        """Whether the walk has passed this phone here."""
        is_before_end = self.until is None or phone <= self.until
        return self.partition == partition and self.after < phone and is_before_end

    def take(self, row: Phone) -> bool:
        """Whether this change of a row came after the walk; the row is the last one that was counted then."""
        offset = self.offsets.get(row.phone)
        if offset is None and row.is_removed:
            return False
        if offset is not None and offset >= row.offset:
            return False
        self.offsets[row.phone] = row.offset
        return True


class Gauges:
    """Counts over the partitions that this process owns.

    A phone that the walk has not reached yet is not counted, whatever happens to it meanwhile.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._positions: dict[int, str] = {}  # of the walk, in each partition that is not counted
        self._slices: deque[_Slice] = deque(maxlen=_REMEMBERED_SLICES)

    def clear(self) -> None:
        """Forget everything: this process may own other partitions now."""
        self._counts.clear()
        self._positions.clear()
        self._slices.clear()

    def begin(self, partition: int) -> None:
        """The phones of this partition are to be counted by the walk."""
        self._positions[partition] = ""

    def load_waiting(self, row: Phone) -> None:
        """A phone that waits, as it was recovered."""
        self._counts[QUEUED] += row.waiting_count

    def uncounted_partitions(self) -> list[int]:
        """The partitions whose walk is not at its end."""
        return sorted(self._positions)

    def get_position(self, partition: int) -> str:
        """The phone that the walk has counted last; "": none."""
        return self._positions[partition]

    def count_slice(self, partition: int, rows: Sequence[Phone]) -> None:
        """The walk goes on over these phones, which are the next ones; none: it is at its end."""
        if partition not in self._positions:
            return  # revoked meanwhile
        after, until = self._positions[partition], rows[-1].phone if rows else None
        offsets = {row.phone: row.offset for row in rows}
        self._slices.append(_Slice(partition, after, until, offsets))
        for row in rows:
            self._counts.update(_count_row(row))
        if until is None:
            del self._positions[partition]
        else:
            self._positions[partition] = until

    def end_walk(self) -> None:
        """Every event that was in progress while a phone was counted is done by now."""
        self._slices.clear()

    def update(self, partition: int, before: Phone | None, after: Phone) -> None:
        """A phone's row changed from `before` to `after`; None: it had none."""
        self._counts[QUEUED] += _count_waiting(after) - _count_waiting(before)
        position = self._positions.get(partition)
        if position is not None and after.phone > position:
            return
        for passed in self._slices:
            if passed.covers(partition, after.phone) and not passed.take(after):
                return
        counts_before, counts_after = _count_row(before), _count_row(after)
        if counts_before != counts_after:
            self._counts.subtract(counts_before)
            self._counts.update(counts_after)

    def __getitem__(self, name: str) -> int | None:
        """The count of this name; None: not known yet."""
        return None if name != QUEUED and self._positions else self._counts[name]

    @property
    def queued(self) -> int:
        """The messages that wait, which is always known."""
        return self._counts[QUEUED]


def _count_waiting(row: Phone | None) -> int:
    return 0 if row is None or row.is_removed else row.waiting_count


def _count_row(row: Phone | None) -> dict[str, int]:
    if row is None or row.is_removed:
        return {}
    return {
        PHONES: 1,
        RATE_LIMITED: 1 if row.send_times_s else 0,  # a message was sent to it: the limit applies
        CONVERSATIONS: 1 if row.conversation else 0,  # until the sweep finds that it is over
        CACHED_LOOKUPS: 1 if row.chat else 0,  # WhatsApp's answer about it is remembered
    }
