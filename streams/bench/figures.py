"""What was measured, as rows for people and programs. Pure: it gets times and returns figures.

Times are seconds of one monotonic clock.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("measure", "n", "p50_ms", "p95_ms", "max_ms", "per_s")


@dataclass(frozen=True, slots=True)
class Measurement:
    """When each request was produced, and when each status of it was seen, by its id."""

    requested_s: Mapping[str, float]
    seen_s: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])

    def list_delays_ms(self, status: str) -> list[float]:
        """From the request to this status, for each request that has it, in milliseconds."""
        return [
            (self.seen_s[id, status] - at_s) * 1000
            for id, at_s in self.requested_s.items()
            if (id, status) in self.seen_s
        ]

    def compute_rate_per_s(self, status: str) -> float:
        """Messages a second, from the first request to the last of this status; 0 if there is none."""
        ends_s = [self.seen_s[id, status] for id in self.requested_s if (id, status) in self.seen_s]
        if not ends_s:
            return 0.0
        return len(ends_s) / max(max(ends_s) - min(self.requested_s.values()), 1e-9)


def describe_delays(name: str, delays_ms: Sequence[float]) -> dict[str, Any]:
    """A row with percentiles; without values they are absent."""
    row: dict[str, Any] = {"measure": name, "n": len(delays_ms)}
    if delays_ms:
        ordered = sorted(delays_ms)
        row["p50_ms"] = round(statistics.median(ordered), 1)
        row["p95_ms"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1)
        row["max_ms"] = round(ordered[-1], 1)
    return row


def describe_rate(name: str, measurement: Measurement, status: str) -> dict[str, Any]:
    """A row with one rate."""
    n = len(measurement.list_delays_ms(status))
    return {"measure": name, "n": n, "per_s": round(measurement.compute_rate_per_s(status), 1)}


def build_rows(single: Measurement, burst: Measurement) -> list[dict[str, Any]]:
    """All rows, in the order in which people read them."""
    return [
        describe_delays("one message: accepted", single.list_delays_ms("accepted")),
        describe_delays("one message: sent", single.list_delays_ms("sent")),
        describe_delays("one message: delivered", single.list_delays_ms("delivered")),
        describe_rate("many at once: accepted", burst, "accepted"),
        describe_rate("many at once: sent", burst, "sent"),
    ]
