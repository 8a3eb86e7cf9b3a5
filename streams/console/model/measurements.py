"""Values by minute for the charts: how long sending takes, how old the queue is, how often look-ups are spared.

Times are counted in buckets, each a quarter longer than the one before, so a percentile of an hour is read from a few
rows. What workers measure comes from their samples (`wa.internal.samples`). In a transaction.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from streams.domain.alerts import sample as samples
from streams.kafka.reader import Record

OLDEST_WAITING: Final = "wa_oldest_waiting_seconds"
LOOKUPS: Final = "wa_sender_lookups_total"
_EVALUATED: Final = (
    "evaluated"  # no metric: when a worker that decides on alerts was last heard of (epoch seconds)
)
_BUCKET_FACTOR: Final = 1.25
_MIN_S: Final = 0.01

Series = Mapping[int, float]  # by minute


def count_time(connection: sqlite3.Connection, minute: int, seconds: float) -> None:
    """A message was sent in this minute, so long after its acceptance."""
    connection.execute(
        "INSERT INTO times VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        (minute, math.ceil(math.log(max(seconds, _MIN_S) / _MIN_S, _BUCKET_FACTOR))),
    )


def apply_sample(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    """Keep the last values of each minute."""
    sample = samples.decode(record.value)
    if sample is None:
        return
    minute = int(record.timestamp // 60_000)
    if sample.is_evaluator:
        connection.execute(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, '', ?)",
            (minute, sample.worker, _EVALUATED, record.timestamp / 1000),
        )
    connection.executemany(
        "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?)",
        [
            (minute, sample.worker, series.metric, series.labels.get("result", ""), series.value)
            for series in sample.series
            if series.metric in (OLDEST_WAITING, LOOKUPS)
        ],
    )


def read_times(connection: sqlite3.Connection, since_minute: int, share: float) -> dict[int, float]:
    """The seconds from acceptance to `sent` that this part of the messages of a minute did not exceed."""
    buckets: dict[int, list[tuple[int, int]]] = defaultdict(list)
    rows = connection.execute(
        "SELECT minute, bucket, count FROM times WHERE minute >= ? ORDER BY minute, bucket",
        (since_minute,),
    )
    for minute, bucket, count in rows:
        buckets[minute].append((bucket, count))
    return {minute: _find_percentile(counts, share) for minute, counts in buckets.items()}


def _find_percentile(counts: list[tuple[int, int]], share: float) -> float:
    rank = math.ceil(share * sum(count for _, count in counts))
    for bucket, count in counts:
        rank -= count
        if rank <= 0:
            return _MIN_S * _BUCKET_FACTOR**bucket
    raise AssertionError("unreachable: the rank is at most the sum")


def read_queue_age(connection: sqlite3.Connection, since_minute: int) -> dict[int, float]:
    """The age in seconds of the oldest message that could be sent and is not, of all dispatchers together."""
    rows = connection.execute(
        "SELECT minute, max(value) FROM samples WHERE metric = ? AND minute >= ? GROUP BY minute",
        (OLDEST_WAITING, since_minute),
    )
    return dict(rows.fetchall())


def read_evaluated_s(connection: sqlite3.Connection) -> float:
    """When a dispatcher that decides on alerts was last heard of (epoch seconds); 0: never."""
    (at_s,) = connection.execute(
        "SELECT coalesce(max(value), 0.0) FROM samples WHERE metric = ?", (_EVALUATED,)
    ).fetchone()
    return at_s


def read_lookup_hits(connection: sqlite3.Connection, since_minute: int) -> dict[int, float]:
    """The part of look-ups in each minute, in percent, that a cached answer has spared; no minute without a look-up."""
    rows = connection.execute(
        """SELECT minute, result, value - lag(value) OVER (PARTITION BY worker, result ORDER BY minute)
        FROM samples WHERE metric = ? AND minute >= ?""",
        (LOOKUPS, since_minute - 1),
    )
    counts: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for minute, result, increase in rows:
        if increase and increase > 0:  # a worker that has started again counts from 0
            counts[minute][result] += increase
    return {
        minute: 100 * results["cached"] / (results["cached"] + results["asked"])
        for minute, results in counts.items()
        if minute >= since_minute
    }
