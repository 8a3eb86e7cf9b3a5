"""The last samples of all workers, by series: what expressions are calculated from. Pure.

It follows Prometheus: a series that its worker no longer exports is over at once, and one whose worker is silent
is over after `LOOKBACK_S`. What a window contains is not affected by that.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streams.domain.alerts.sample import Sample

LOOKBACK_S: Final = 300.0  # Prometheus' `--query.lookback-delta`
_EXPIRE_EVERY_S: Final = 60.0
WORKER: Final = "worker"  # the label that every series gets

_SeriesKey = tuple[str, tuple[tuple[str, str], ...]]


class Point(NamedTuple):
    """A value at a time (epoch)."""

    at_s: float
    value: float


class SeriesHistory:
    """The points of one series, the oldest first."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = dict(labels)
        self.points: deque[Point] = deque()

    def between(self, from_s: float, to_s: float) -> list[Point]:
        """The points of this interval, both ends included."""
        return [point for point in self.points if from_s <= point.at_s <= to_s]


class SampleHistory:
    """Everything that was sampled of these metrics, for as long as each is needed (seconds)."""

    def __init__(self, keep_s: Mapping[str, float]) -> None:
        self._keep_s = keep_s
        self._series: dict[str, dict[_SeriesKey, SeriesHistory]] = {}  # by metric
        self._sampled_at_s: dict[str, float] = {}  # by worker: its last sample
        self._expired_at_s = 0.0

    def add(self, sample: Sample, at_s: float) -> None:
        """A sample that was appended at this time. After a step back of the clock, earlier ones are forgotten."""
        if at_s < self._sampled_at_s.get(sample.worker, 0.0):
            self._forget(sample.worker)
        self._sampled_at_s[sample.worker] = at_s
        for series in sample.series:
            if series.metric not in self._keep_s:
                continue  # of a worker with other rules
            labels = series.labels | {WORKER: sample.worker}
            key = (sample.worker, tuple(sorted(series.labels.items())))
            by_key = self._series.setdefault(series.metric, {})
            history = by_key.get(key)
            if history is None:
                history = by_key[key] = SeriesHistory(labels)
            history.points.append(Point(at_s, series.value))
        if abs(at_s - self._expired_at_s) >= _EXPIRE_EVERY_S:
            self._expire(at_s)

    def select(self, metric: str) -> Iterator[SeriesHistory]:
        """Every series of this metric that has points."""
        yield from self._series.get(metric, {}).values()

    def is_current(self, series: SeriesHistory, now_s: float) -> bool:
        """Whether the last point of this series holds now."""
        last_s = series.points[-1].at_s
        sampled_at_s = self._sampled_at_s[series.labels[WORKER]]
        return last_s >= sampled_at_s and now_s - last_s < LOOKBACK_S

    def _expire(self, now_s: float) -> None:
        self._expired_at_s = now_s
        for metric, by_key in self._series.items():
            before_s = now_s - max(self._keep_s[metric], LOOKBACK_S)
            for key in list(by_key):
                points = by_key[key].points
                while points and points[0].at_s < before_s:
                    points.popleft()
                if not points:
                    del by_key[key]
        before_s = now_s - max(*self._keep_s.values(), LOOKBACK_S)
        for worker in [name for name, at_s in self._sampled_at_s.items() if at_s < before_s]:
            del self._sampled_at_s[worker]

    def _forget(self, worker: str) -> None:
        for by_key in self._series.values():
            for key in [key for key in by_key if key[0] == worker]:
                del by_key[key]
