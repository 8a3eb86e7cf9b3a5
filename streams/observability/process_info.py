"""What a worker exports about its own process: its version, and how much Kafka's clients complain."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.logs.outages import kafka_errors


def read_version() -> str:
    """The version of wa-streams that is installed here."""
    try:
        return version("wa-streams")
    except PackageNotFoundError:  # a clone that was never installed
        return "unknown"


class KafkaErrorCollector(Collector):
    """What Kafka's clients in this process have complained about, logged or not: read at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """One counter."""
        yield CounterMetricFamily(
            "wa_kafka_client_errors",
            "Warnings and errors of Kafka's clients, of which the log has only the first ones",
            value=kafka_errors.count,
        )
