"""Every metric that workers export, from registries that are filled as those of the workers are."""

import functools
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from streams.contract.account import AccountRecord
from streams.dispatch.queue_survey import QueueSurvey
from streams.observability.account_monitor import AccountCollector
from streams.observability.account_status import AccountStatus
from streams.observability.lag import LagMetrics
from streams.observability.metrics import (
    DispatcherMetrics,
    ObstacleMetrics,
    new_registry,
    register_store_metrics,
)
from streams.sender.metrics import Metrics as SenderMetrics
from streams.sender.monitoring.browser_memory import BrowserMemoryCollector
from streams.webhooks.metrics import EndpointGauges, WebhookMetrics


class _NoRows:
    rebuilds = 0
    skipped_records = 0


def make_registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """Those of a dispatcher and of a sender; an account has a cap, so that the metric of caps has a series."""
    dispatcher, sender = new_registry("dispatch-1", bool), new_registry("sender-main", bool)
    gauges = "partitions phones_waiting dispatches_in_flight overdue_s flights_overdue"
    DispatcherMetrics(dispatcher, **dict.fromkeys(gauges.split(), lambda: 0.0))
    LagMetrics(dispatcher)
    QueueSurvey(dispatcher, list, float)
    SenderMetrics(sender)
    BrowserMemoryCollector(sender, Path(__file__).parent)
    record = AccountRecord(account="main", state="ready", since="", daily_cap=9)
    for registry in (dispatcher, sender):
        register_store_metrics(registry, _NoRows())
        ObstacleMetrics(registry, list, list)
        AccountCollector(registry, lambda: [AccountStatus("main", record)])
    return dispatcher, sender


def make_webhook_registry() -> CollectorRegistry:
    """That of the webhooks; an endpoint has waiting events."""
    registry = new_registry("webhooks", bool)
    metrics = WebhookMetrics(registry, lambda: {"crm": EndpointGauges(waiting=1, is_paused=False)})
    metrics.declare("crm")
    return registry


def exported_metrics() -> list[Metric]:
    """Each metric family of both workers and of the webhooks."""
    registries = (*make_registries(), make_webhook_registry())
    return [metric for registry in registries for metric in registry.collect()]


_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@functools.cache
def exported_labels() -> dict[str, set[str]]:
    """The labels of each sample that workers export, by the sample's name, also of one that has no series yet."""
    labels: dict[str, set[str]] = {}
    for registry in (*make_registries(), make_webhook_registry()):
        for collector in list(registry._collector_to_names):
            if isinstance(collector, MetricWrapperBase):
                for suffix in _SUFFIXES[collector._type]:
                    labels.setdefault(collector._name + suffix, set()).update(collector._labelnames)
    for metric in exported_metrics():
        for suffix in _SUFFIXES.get(metric.type, ()):
            names = getattr(metric, "_labelnames", ())  # of a family that a collector makes
            labels.setdefault(metric.name + suffix, set()).update(names)
        for sample in metric.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels
