"""Counters whose series are looked up once, and counters that are read at each scrape. Counts nothing by itself.

A label's values must be few and known, or bounded by what labels them (the error codes, the topics).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class LabelledCounter:
    """A counter with labels. prometheus_client takes a lock for each look-up of a series: here it is done once."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        meaning: str,
        *labels: str,
        initial: Iterable[str] = (),
    ) -> None:
        """`initial`: values of a single label that are exported from the start, as 0. Only what was exported before
        can be seen to grow.
        """
        self._counter = Counter(name, meaning, labels, registry=registry)
        self._series: dict[tuple[str, ...], Counter] = {}
        for value in initial:
            self._series[value,] = self._counter.labels(value)

    def inc(self, *values: str) -> None:
        """Count one more of these values of the labels."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = self._counter.labels(*values)
        series.inc()


class ReadCounters(Collector):
    """Counters that others keep: name → (help text, function that reads it)."""

    def __init__(
        self,
        registry: CollectorRegistry,
        definitions: Mapping[str, tuple[str, Callable[[], float]]],
    ) -> None:
        self._definitions = dict(definitions)
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry needs no sample to know the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Their values now."""
        for name, (meaning, read) in self._definitions.items():
            yield CounterMetricFamily(name, meaning, value=read())
