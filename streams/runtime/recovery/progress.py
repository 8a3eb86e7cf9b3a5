"""How far a recovery has come, and how long it will take: for probes, `ps` and the log. Has no clock."""

from typing import Final

_MIN_ELAPSED_S: Final = 2.0  # before then, an estimate of the time that is left would be a guess


class Progress:
    """Of one recovery. Offsets that compaction has emptied count as records."""

    def __init__(self, total: int, started_s: float) -> None:
        """`total`: how many records the tables lacked when it started, at this time."""
        self.total = total
        self.done = 0
        self._started_s = started_s

    def advance(self, records: int) -> None:
        """So many more are in the tables, or need not be there."""
        self.done += records

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to read."""
        return self.done >= self.total

    def describe(self, now_s: float) -> str:
        """In a few words for a person."""
        share = self.done * 100 // self.total if self.total else 100
        text = f"recovering the tables: {self.done:,} of {self.total:,} records ({share} %)"
        left_s = self.estimate_left_s(now_s)
        return text if left_s is None else f"{text}, about {left_s:,.0f} s left"

    def estimate_left_s(self, now_s: float) -> float | None:
        """The seconds that are left at the speed so far; None: that cannot be said yet."""
        elapsed_s = now_s - self._started_s
        if elapsed_s < _MIN_ELAPSED_S or self.done <= 0:
            return None
        return max(0, self.total - self.done) * elapsed_s / self.done
