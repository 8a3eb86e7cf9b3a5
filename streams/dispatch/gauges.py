"""How many phones and messages there are, for probes and metrics.

Derived data, rebuilt from the rows after each recovery. Nothing may be decided by these counts.
"""

from collections import Counter

from streams.domain.phone.state import Phone

QUEUED, PHONES, RATE_LIMITED, CACHED_LOOKUPS = "queued", "phones", "rate_limited", "cached_lookups"
CONVERSATIONS = "conversations"


class Gauges:
    """Counts over the partitions that this process owns."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def clear(self) -> None:
        """Forget everything: this process may own other partitions now."""
        self._counts.clear()

    def update(self, before: Phone | None, after: Phone | None) -> None:
        """A phone's row changed from `before` to `after`; None: it had or has none."""
        self._counts.subtract(_count_row(before))
        self._counts.update(_count_row(after))

    def __getitem__(self, name: str) -> int:
        """The count of this name."""
        return self._counts[name]


def _count_row(row: Phone | None) -> dict[str, int]:
    if row is None or row.is_removed:
        return {}
    return {
        QUEUED: row.waiting_count,  # messages
        PHONES: 1,
        RATE_LIMITED: 1 if row.send_times_s else 0,  # a message was sent to it: the limit applies
        CONVERSATIONS: 1 if row.conversation else 0,  # until the sweep finds that it is over
        CACHED_LOOKUPS: 1 if row.chat else 0,  # WhatsApp's answer about it is remembered
    }
