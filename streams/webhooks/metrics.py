"""What the process of the webhooks counts, by endpoint. No recipient, no URL and no text is a label."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.domain.webhooks.conclusion import Answer, Fate


class EndpointGauges(NamedTuple):
    """What is read of an endpoint at each scrape."""

    waiting: int
    is_paused: bool


class WebhookMetrics(Collector):
    """The counters and gauges. `read_gauges` gives those of each endpoint by its name."""

    def __init__(
        self,
        registry: CollectorRegistry,
        read_gauges: Callable[[], Mapping[str, EndpointGauges]],
    ) -> None:
        self._read_gauges = read_gauges
        self._tries = Counter(
            "wa_webhook_deliveries",
            "Tries to deliver an event to an endpoint; `status` is what it answered, or `none`",
            ["endpoint", "status"],
            registry=registry,
        )
        self._given_up = self._make_counter(
            registry,
            "wa_webhook_events_given_up",
            "Events that were given up after a day of failures",
        )
        self._lost = self._make_counter(
            registry,
            "wa_webhook_records_lost",
            "Records that retention removed before they were read for the endpoint",
        )
        self._skipped = self._make_counter(
            registry, "wa_webhook_records_skipped", "Records that are not events"
        )
        registry.register(self)

    def _make_counter(self, registry: CollectorRegistry, name: str, meaning: str) -> Counter:
        return Counter(name, meaning, ["endpoint"], registry=registry)

    def declare(self, endpoint: str) -> None:
        """Export its counters from the start: the first increase is seen only of a series that exists."""
        for counter in (self._given_up, self._lost, self._skipped):
            counter.labels(endpoint)

    def count(self, endpoint: str, fate: Fate, answer: Answer) -> None:
        """Count one try."""
        self._tries.labels(endpoint, str(answer.status or "none")).inc()
        if fate == "given_up":
            self._given_up.labels(endpoint).inc()

    def lost(self, endpoint: str, records: int) -> None:
        """Count records that could not be read any more."""
        self._lost.labels(endpoint).inc(records)

    def skipped(self, endpoint: str) -> None:
        """Count a record that is not an event."""
        self._skipped.labels(endpoint).inc()

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry needs no sample to know the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges now."""
        waiting = GaugeMetricFamily(
            "wa_webhook_events_waiting",
            "Events that were read for the endpoint and are not delivered",
            labels=["endpoint"],
        )
        paused = GaugeMetricFamily(
            "wa_webhook_paused",
            "1 while the endpoint gets nothing until a person resumes it",
            labels=["endpoint"],
        )
        for name, gauges in self._read_gauges().items():
            waiting.add_metric([name], gauges.waiting)
            paused.add_metric([name], float(gauges.is_paused))
        yield from (waiting, paused)
