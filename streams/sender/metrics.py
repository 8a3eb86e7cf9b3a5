"""The metrics of a sender. One object per process, on the registry that /metrics serves."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# The words of the contract.
_RESULT_NAMES = {Sent: "sent", Failed: "failed", Deferred: "deferred", OutcomeUnknown: "unknown"}


class Metrics:
    """Counters and times; a label never holds a phone number."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            "wa_sender_outcomes",
            "Dispatches concluded, by result and error code",
            ["result", "code"],
            registry=registry,
        )
        self.malformed_records = Counter(
            "wa_sender_malformed_records",
            "Records of the send topic that are not a command",
            registry=registry,
        )
        self.reconciliations = Counter(
            "wa_sender_reconciliations",
            "Claims that were open when their dispatch came, and had to be reconciled",
            registry=registry,
        )
        self.receipts = Counter(
            "wa_sender_receipts", "Receipts published, by kind", ["ack"], registry=registry
        )
        self.submit_s = Histogram(
            "wa_sender_submit_seconds",
            "From the start of a dispatch's submit to its result",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "wa_sender_in_progress",
            "Dispatches taken from the send topic and not concluded",
            registry=registry,
        )

        self.page_symbols_missing = Gauge(
            "wa_page_symbols_missing",
            "What WhatsApp's page does not offer of what the adapter needs, by group",
            ["group"],
            registry=registry,
        )
        self.page_info = Gauge(
            "wa_page_info",
            "1, with the versions of WhatsApp's page, wa-js and Chromium as labels",
            ["whatsapp", "wa_js", "chromium"],
            registry=registry,
        )

    def record_result(self, result: Result) -> None:
        """A dispatch has been concluded."""
        error = result.error if isinstance(result, Failed | Deferred | OutcomeUnknown) else None
        self.outcomes.labels(_RESULT_NAMES[type(result)], error.code if error else "").inc()
