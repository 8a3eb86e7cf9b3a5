"""Which writes the brokers have not taken yet, since when, and what the last error was. Writes nothing.

A write is repeated until it succeeds, because everything that follows must be published. So a write that
waits must be visible: the app is not ready while one waits for too long (obstacles/monitor.py).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class PendingWrite:
    """One write to some topics, which may not be done yet."""

    topics: tuple[str, ...]
    started_s: float
    last_error: BaseException | None = None


class PendingWrites:
    """The writes of one app, for its event loop. The clock is monotonic."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._writes: set[PendingWrite] = set()

    @contextmanager
    def track(self, topics: Sequence[str]) -> Iterator[PendingWrite]:
        """A write to these topics is in progress inside the `with` block."""
        write = PendingWrite(tuple(topics), self._clock_s())
        self._writes.add(write)
        try:
            yield write
        finally:
            self._writes.discard(write)

    def older_than(self, age_s: float) -> list[PendingWrite]:
        """The writes that have waited for longer, the oldest first."""
        limit_s = self._clock_s() - age_s
        return sorted(
            (write for write in self._writes if write.started_s < limit_s),
            key=lambda write: write.started_s,
        )
