"""What /metrics shows: every name in one place. No phone number, id or text is ever a label.

A registry belongs to one process and is passed in; prometheus_client's global one is not used. Counts
are of this process since its start and may repeat what was done again after a crash: topics are the
truth, these are for watching.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

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

ReadValue = Callable[[], float]

_AGE_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def new_registry(worker: str) -> CollectorRegistry:
    """A registry with what is said of every worker: its name, memory, CPU, open files, Python."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    Gauge("wa_worker", "1, under this worker's name", ["worker"], registry=registry).labels(
        worker
    ).set(1)
    return registry


def register_gauges(
    registry: CollectorRegistry, definitions: Mapping[str, tuple[str, ReadValue]]
) -> None:
    """Gauges that are read at each scrape: name → (meaning, function)."""
    for name, (meaning, read) in definitions.items():
        Gauge(name, meaning, registry=registry).set_function(read)


class PhaseGauge:
    """One gauge per word of a state, 1 for the one it is in: the session of an account."""

    def __init__(
        self, registry: CollectorRegistry, name: str, meaning: str, phases: Iterable[str]
    ) -> None:
        self._gauge = Gauge(name, meaning, ["phase"], registry=registry)
        self._phases = tuple(phases)

    def set_phase(self, phase: str) -> None:
        """It is in this one now."""
        for candidate in self._phases:
            self._gauge.labels(candidate).set(candidate == phase)


class DispatcherMetrics:
    """What a dispatcher counts, and what is read from it at each scrape.

    `waiting` are phones that wait, `outstanding` releases with senders, `overdue_s` by how much the
    oldest wake is late, `partitions` how many are ours, `ready` as `/readyz` says it.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        is_ready: Callable[[], bool],
        partitions: ReadValue,
        phones_waiting: ReadValue,
        dispatches_in_flight: ReadValue,
        overdue_s: ReadValue,
    ) -> None:
        self._records = Counter(
            "wa_records",
            "Records of wa.outbound, by what became of them",
            ["disposition"],
            registry=registry,
        )
        self._statuses = Counter(
            "wa_statuses", "Status events published", ["status"], registry=registry
        )
        self._dead_letters = Counter(
            "wa_dead_letters",
            "Dead letters published, by error code",
            ["reason"],
            registry=registry,
        )
        self._age_s = Histogram(
            "wa_record_age_seconds",
            "From a record's own time to its answer by the intake",
            buckets=_AGE_BUCKETS_S,
            registry=registry,
        )
        self._illegal_transitions = Counter(
            "wa_illegal_transitions",
            "Events refused because of a change of state that is not allowed: bugs",
            registry=registry,
        )
        self._missing_payloads = Counter(
            "wa_missing_payloads",
            "Effects without a payload: already_published after a crash, or lost (a bug)",
            ["case"],
            registry=registry,
        )
        for case in ("already_published", "lost"):
            self._missing_payloads.labels(case)
        for disposition in ("forwarded", "rejected", "tombstone"):
            self._records.labels(disposition)
        for status in get_args(Status):
            self._statuses.labels(status)
        definitions = {
            "wa_ready": (
                "1 when work is done, 0 while rebalancing or recovering",
                lambda: float(is_ready()),
            ),
            "wa_partitions": ("Partitions of the phones' log that are ours", partitions),
            "wa_phones_waiting": ("Phones that wait for a time or a turn", phones_waiting),
            "wa_dispatches_in_flight": ("Releases that are with senders", dispatches_in_flight),
            "wa_oldest_due_seconds": ("By how much the oldest wake is late", overdue_s),
        }
        register_gauges(registry, definitions)

    def count_record(self, disposition: str, age_s: float) -> None:
        """The intake answered a record (`forwarded`, `rejected`, `tombstone`) this long after its own time."""
        self._records.labels(disposition).inc()
        self._age_s.observe(max(age_s, 0.0))

    def count_status(self, status: str) -> None:
        """A status event is out."""
        self._statuses.labels(status).inc()

    def count_dead_letter(self, reason: str) -> None:
        """A dead letter is out."""
        self._dead_letters.labels(reason).inc()

    def count_illegal_transition(self) -> None:
        """An event was refused because of an illegal change of state."""
        self._illegal_transitions.inc()

    def count_missing_payload(self, case: str) -> None:
        """An effect had no payload (`already_published`, `lost`)."""
        self._missing_payloads.labels(case).inc()


class LagMetrics:
    """How far a consumer group is behind, per partition."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["topic", "partition"]
        self._lag = Gauge(
            "wa_lag_records", "Records that the group has still to read", labels, registry=registry
        )
        self._lost_records = Gauge(
            "wa_lag_lost_records",
            "Records that retention took away unread",
            labels,
            registry=registry,
        )
        self._read_time = Gauge(
            "wa_lag_read_timestamp_seconds", "When the lag was read last", registry=registry
        )

    def set_lag(self, topic: str, partition: int, *, lag: int, lost_records: int) -> None:
        """The lag of one partition."""
        self._lag.labels(topic, partition).set(lag)
        self._lost_records.labels(topic, partition).set(lost_records)

    def set_read_time(self, time_s: float) -> None:
        """All were read at this time (epoch seconds)."""
        self._read_time.set(time_s)
