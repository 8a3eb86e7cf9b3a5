"""The metrics that every worker has, and those of a dispatcher and of a group's lag.

The sender's own metrics are in `streams/sender/metrics.py`. No phone number, id or text may be a label.

A registry belongs to one process and is passed in; the global registry of prometheus_client is not used.
A counter counts since the start of its process, and counts again what is done again after a crash: it is
for monitoring, and only the topics are exact.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from streams.contract.status import Status
from streams.observability.counters import LabelledCounter, ReadCounters
from streams.observability.process_info import KafkaErrorCollector, read_version
from streams.runtime.obstacles.monitor import ObstacleMonitor

ReadValue = Callable[[], float]

_AGE_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def new_registry(worker: str, is_ready: Callable[[], bool]) -> CollectorRegistry:
    """A registry with the metrics of every worker: name, version, readiness, memory, CPU, open files, Python.

    `is_ready` answers as `/readyz` does.
    """
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    Gauge(
        "wa_worker", "Always 1; the label is the name of this worker", ["worker"], registry=registry
    ).labels(worker).set(1)
    Gauge(
        "wa_build_info", "Always 1; the label is the version", ["version"], registry=registry
    ).labels(read_version()).set(1)
    register_gauges(
        registry,
        {
            "wa_ready": (
                "1 while this worker does its work, 0 while it does not",
                lambda: float(is_ready()),
            )
        },
    )
    KafkaErrorCollector(registry)
    return registry


def register_gauges(
    registry: CollectorRegistry, definitions: Mapping[str, tuple[str, ReadValue]]
) -> None:
    """Add gauges that are read at each scrape: name → (help text, function)."""
    for name, (meaning, read) in definitions.items():
        Gauge(name, meaning, registry=registry).set_function(read)


class StoreCounts(Protocol):
    """What a durable table counts."""

    @property
    def rebuilds(self) -> int:
        """Stores that were damaged or too old."""
        ...

    @property
    def skipped_records(self) -> int:
        """Records of its changelog that are not rows."""
        ...


def register_store_metrics(registry: CollectorRegistry, table: StoreCounts) -> None:
    """Add the counters of a worker's table."""
    definitions: dict[str, tuple[str, ReadValue]] = {
        "wa_store_rebuilds": (
            "Stores of this worker that were damaged or too old, and were rebuilt, ever",
            lambda: float(table.rebuilds),
        ),
        "wa_changelog_records_skipped": (
            "Records of the changelog that are not rows and were skipped, since the start",
            lambda: float(table.skipped_records),
        ),
    }
    ReadCounters(registry, definitions)


class PhaseGauge:
    """One sample for each phase of a state: 1 for the current phase, 0 for the others."""

    def __init__(
        self, registry: CollectorRegistry, name: str, meaning: str, phases: Iterable[str]
    ) -> None:
        self._gauge = Gauge(name, meaning, ["phase"], registry=registry)
        self._phases = tuple(phases)

    def set_phase(self, phase: str) -> None:
        """Set the current phase."""
        for candidate in self._phases:
            self._gauge.labels(candidate).set(candidate == phase)


class DispatcherMetrics:
    """What a dispatcher counts, and what is read from it at each scrape.

    The arguments are read at each scrape: `partitions` is the number of assigned partitions of the phone
    log, `overdue_s` the delay of the oldest overdue timer.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        partitions: ReadValue,
        phones_waiting: ReadValue,
        dispatches_in_flight: ReadValue,
        overdue_s: ReadValue,
        flights_overdue: ReadValue,
    ) -> None:
        self._records = LabelledCounter(
            registry,
            "wa_records",
            "Records of wa.outbound, by what became of them",
            "disposition",
            initial=("forwarded", "rejected", "tombstone", "failed"),
        )
        self._statuses = LabelledCounter(
            registry, "wa_statuses", "Status events published", "status", initial=get_args(Status)
        )
        self._dead_letters = LabelledCounter(
            registry, "wa_dead_letters", "Dead letters published, by error code", "reason"
        )
        self._age_s = Histogram(
            "wa_record_age_seconds",
            "Time from the record's timestamp to its handling by the intake",
            buckets=_AGE_BUCKETS_S,
            registry=registry,
        )
        self._illegal_transitions = Counter(
            "wa_illegal_transitions",
            "Events refused because of a change of state that is not allowed: bugs",
            registry=registry,
        )
        self._contradicting_receipts = Counter(
            "wa_contradicting_receipts",
            "Receipts of messages whose status says that they were not sent: wrong statuses",
            registry=registry,
        )
        self._missing_payloads = LabelledCounter(
            registry,
            "wa_missing_payloads",
            "Effects without a payload: already_published after a crash, or lost (a bug)",
            "case",
            initial=("already_published", "lost"),
        )
        self._resolved_flights = LabelledCounter(
            registry,
            "wa_dispatches_resolved",
            "Dispatches that no sender answered, by what their claims said",
            "result",
            initial=("not_claimed", "in_doubt", "deferred", "sent", "failed", "unknown"),
        )
        self._consent_changes = LabelledCounter(
            registry,
            "wa_consent_changes",
            "Recipients that opted out of marketing messages, or in again",
            "change",
            initial=("opted_out", "opted_in"),
        )
        self._internal_errors = LabelledCounter(
            registry,
            "wa_internal_errors",
            "Records on which wa-streams itself failed: bugs, or records that others wrote",
            "kind",
            initial=("malformed", "step", "too_large", "unreadable", "intake"),
        )
        self._refused_records = LabelledCounter(
            registry,
            "wa_refused_records",
            "Records that their topic did not take, because it is configured for smaller ones",
            "topic",
        )
        self.internal_error_count = 0  # of this process
        definitions = {
            "wa_partitions": ("Assigned partitions of the phone log", partitions),
            "wa_phones_waiting": (
                "Recipients whose messages wait",
                phones_waiting,
            ),
            "wa_dispatches_in_flight": (
                "Dispatched messages without an outcome",
                dispatches_in_flight,
            ),
            "wa_dispatches_overdue": (
                "Dispatched messages without an outcome although their deadline is over",
                flights_overdue,
            ),
            "wa_oldest_due_seconds": ("Delay of the oldest overdue timer", overdue_s),
        }
        register_gauges(registry, definitions)

    def count_record(self, disposition: str, age_s: float) -> None:
        """Count a record that the intake has handled: `forwarded`, `rejected`, `tombstone` or `failed`."""
        self._records.inc(disposition)
        self._age_s.observe(max(age_s, 0.0))

    def count_status(self, status: str) -> None:
        """Count a published status event."""
        self._statuses.inc(status)

    def count_dead_letter(self, reason: str) -> None:
        """Count a published dead letter."""
        self._dead_letters.inc(reason)

    def count_illegal_transition(self) -> None:
        """An event was refused because of an illegal change of state."""
        self._illegal_transitions.inc()

    def count_resolved_flight(self, result: str) -> None:
        """Count a dispatch that got its outcome without its sender (`not_claimed`, `in_doubt` …)."""
        self._resolved_flights.inc(result)

    def count_contradicting_receipt(self) -> None:
        """Count a receipt of a message that is `failed` or `expired`."""
        self._contradicting_receipts.inc()

    def count_consent_change(self, status: str) -> None:
        """Count a recipient that has `opted_out` or `opted_in`."""
        self._consent_changes.inc(status)

    def count_missing_payload(self, case: str) -> None:
        """An effect had no payload (`already_published`, `lost`)."""
        self._missing_payloads.inc(case)

    def count_internal_error(self, kind: str) -> None:
        """This program failed on a record (phone_stage.py names the kinds; `intake`: reading a request)."""
        self._internal_errors.inc(kind)
        self.internal_error_count += 1

    def count_refused_record(self, topic: str) -> None:
        """A record could not be written: it is too large for its topic."""
        self._refused_records.inc(topic)


def observe_obstacles(obstacles: ObstacleMonitor, registry: CollectorRegistry) -> None:
    """Add the metrics of the obstacles that this monitor finds."""
    metrics = ObstacleMetrics(
        registry, lambda: obstacles.topics, lambda: obstacles.under_replicated
    )
    obstacles.observers.append(metrics)


class ObstacleMetrics:
    """The topics that a worker cannot write or read (runtime/obstacles/monitor.py)."""

    def __init__(
        self,
        registry: CollectorRegistry,
        topics: Callable[[], Sequence[str]],
        under_replicated: Callable[[], Sequence[str]],
    ) -> None:
        self._obstacles = LabelledCounter(
            registry,
            "wa_obstacles",
            "Times that a topic began to stand in the way: deleted, denied, or not taking records",
            "topic",
        )
        gauge = Gauge("wa_obstructed_topics", "Topics that cannot be used now", registry=registry)
        gauge.set_function(lambda: len(topics()))
        gauge = Gauge("wa_under_replicated_topics", "Topics that lack copies", registry=registry)
        gauge.set_function(lambda: len(under_replicated()))

    def count_obstacle(self, topic: str) -> None:
        """A new obstacle stands in the way of this topic."""
        self._obstacles.inc(topic)
