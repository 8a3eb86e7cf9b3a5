"""What a sender counts. One object per process, on the registry that /metrics shows."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and times; no phone number is in any label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            "wa_sender_outcomes",
            "Releases answered, by result and error code",
            ["result", "code"],
            registry=registry,
        )
        self.malformed_records = Counter(
            "wa_sender_malformed_records",
            "Records of the lane that are no command",
            registry=registry,
        )
        self.reconciliations = Counter(
            "wa_sender_reconciliations",
            "Claims that had to be settled by a look",
            registry=registry,
        )
        self.receipts = Counter(
            "wa_sender_receipts", "Receipts passed on, by ack", ["ack"], registry=registry
        )
        self.submit_s = Histogram(
            "wa_sender_submit_seconds",
            "From a release's turn to its result",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "wa_sender_in_progress",
            "Releases taken from the lane and not answered",
            registry=registry,
        )

    def record_result(self, result: Result) -> None:
        """A release has been answered."""
        error = result.error if isinstance(result, Failed | Deferred | OutcomeUnknown) else None
        self.outcomes.labels(type(result).__name__.lower(), error.code if error else "").inc()
