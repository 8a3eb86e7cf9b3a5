"""The metrics of a sender. One object per process, on the registry that /metrics serves."""

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.contract.account import AccountRecord
from streams.domain.phone.events import Deferred, Failed, Moved, OutcomeUnknown, Result, Sent
from streams.domain.sending import actions
from streams.domain.sending.attempt import Attempt
from streams.observability.counters import LabelledCounter
from streams.whatsapp.driver import (
    AckCounts,
    Driver,
    InDoubt,
    NotBegun,
    NotSubmitted,
    Phase,
    ServerAccepted,
    ServerRefused,
    Submission,
    SubmitResult,
)
from streams.whatsapp.incoming import IncomingMessage

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MISSING_ACK_CODE: Final = "outcome_unknown"
_SUBMIT_NAMES: Final = {
    ServerAccepted: "accepted",
    ServerRefused: "refused",
    NotSubmitted: "not_submitted",
    InDoubt: "in_doubt",
}
# The words of the contract.
RESULT_NAMES = {
    Sent: "sent",
    Failed: "failed",
    Deferred: "deferred",
    Moved: "moved",
    OutcomeUnknown: "unknown",
}


class AckCollector(Collector):
    """The acks that the drivers of this process have seen, and those that did not come: read at each scrape."""

    def __init__(self) -> None:
        self._driver: Driver | None = None
        self._earlier = AckCounts()  # of the drivers before this one
        self._missing = 0
        self._submits = dict.fromkeys(_SUBMIT_NAMES.values(), 0)
        self._last_ack_s = 0.0  # in the driver's clock; 0: none yet

    def follow(self, driver: Driver) -> Driver:
        """Count this driver's acks from now on, and keep what the one before it has counted."""
        self._earlier, self._driver = self._sum(), driver
        return cast("Driver", _CountingDriver(driver, self._record_submit))

    def _record_submit(self, result: SubmitResult) -> None:
        if isinstance(result, NotBegun):  # the message is given to the page once more
            return
        self._submits[_SUBMIT_NAMES[type(result)]] += 1
        # With another code an earlier attempt is in doubt, and this one has sent nothing.
        if isinstance(result, InDoubt) and result.code == _MISSING_ACK_CODE:
            self._missing += 1
        elif isinstance(result, ServerAccepted):
            self._last_ack_s = result.at_s

    def _sum(self) -> AckCounts:
        current = AckCounts() if self._driver is None else self._driver.ack_counts
        return AckCounts(
            heard=self._earlier.heard + current.heard, read=self._earlier.read + current.read
        )

    def collect(self) -> Iterator[Metric]:
        """One sample for each source, and the missing ones."""
        counts = self._sum()
        family = CounterMetricFamily(
            "wa_sender_acks",
            "Acks seen in the page: heard from WhatsApp's receipt handler, read from the models",
            labels=["source"],
        )
        family.add_metric(["heard"], counts.heard)
        family.add_metric(["read"], counts.read)
        yield family
        yield CounterMetricFamily(
            "wa_sender_acks_missing",
            "Submits without an ack in time: lost acks, and pages that died; each is in doubt",
            value=self._missing,
        )
        submits = CounterMetricFamily(
            "wa_sender_submits",
            "Messages given to WhatsApp's page, by what it answered",
            labels=["result"],
        )
        for name, count in self._submits.items():
            submits.add_metric([name], count)
        yield submits
        last_ack = GaugeMetricFamily(
            "wa_sender_last_ack_timestamp_seconds",
            "When WhatsApp's server last acknowledged a submit of this process; absent: not yet",
        )
        if self._last_ack_s:
            last_ack.add_metric([], self._last_ack_s)
        yield last_ack


class _CountingDriver:
    """A driver whose submits are counted by their results. Everything else is the driver's own."""

    def __init__(self, driver: Driver, on_submit: Callable[[SubmitResult], None]) -> None:
        self._driver = driver
        self._on_submit = on_submit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def submit(self, submission: Submission) -> SubmitResult:
        result = await self._driver.submit(submission)
        self._on_submit(result)
        return result


class Metrics:
    """Counters and times; a label never holds a phone number."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = LabelledCounter(
            registry,
            "wa_sender_outcomes",
            "Dispatches concluded, by result and error code",
            "result",
            "code",
        )
        self.lookups = LabelledCounter(
            registry,
            "wa_sender_lookups",
            "Dispatches by where the answer about their number came from: cached, or asked of WhatsApp",
            "result",
            initial=("cached", "asked"),
        )
        self.malformed_records = Counter(
            "wa_sender_malformed_records",
            "Records of the send topic that are not a command",
            registry=registry,
        )
        self.refusals = LabelledCounter(
            registry,
            "wa_sender_refusals",
            "Messages that WhatsApp's server refused, by its code",
            "code",
        )
        self.interruptions = LabelledCounter(
            registry,
            "wa_sender_interruptions",
            "Times that a session was ready and then was not, by the phase that it came into",
            "phase",
            initial=[phase.value for phase in Phase if phase is not Phase.READY],
        )
        self.new_chat_quota = Gauge(
            "wa_account_new_chat_quota",
            "WhatsApp's quota of new chats (total) and how much of it is used; absent if unknown",
            ["kind"],
            registry=registry,
        )
        self.restricted = Gauge(
            "wa_account_restricted",
            "1 while WhatsApp limits what the account may send, by reason",
            ["reason"],
            registry=registry,
        )
        self.reconciliations = Counter(
            "wa_sender_reconciliations",
            "Claims that were open when their dispatch came, and had to be reconciled",
            registry=registry,
        )
        self.receipts = LabelledCounter(
            registry,
            "wa_sender_receipts",
            "Receipts published, by kind; sent: an ack that came after its attempt had ended",
            "ack",
        )
        self.inbound = LabelledCounter(
            registry,
            "wa_sender_inbound",
            "Messages to the account that were published on wa.inbound, by type",
            "type",
        )
        self.doubts_resolved = LabelledCounter(
            registry,
            "wa_sender_doubts_resolved",
            "Messages in doubt that were sent after all, by what proved it: receipt, lookup",
            "by",
        )
        self.acks = AckCollector()
        registry.register(self.acks)
        self.submit_s = Histogram(
            "wa_sender_submit_seconds",
            "From the start of a dispatch's submit to its result",
            buckets=_SECONDS,
            registry=registry,
        )
        self.awaiting_ack = Gauge(
            "wa_sender_awaiting_ack",
            "Dispatches that are submitted, wait for a late ack or are reconciled; others go on meanwhile",
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
        self.outcomes.inc(RESULT_NAMES[type(result)], error.code if error else "")

    def record_inbound(self, message: IncomingMessage) -> None:
        """A message to the account is on `wa.inbound`."""
        self.inbound.inc(message.type)

    def record_refusal(self, server_code: int) -> None:
        """WhatsApp's server refused a message. The label has at most a thousand values, and `other`."""
        self.refusals.inc(str(server_code) if 0 <= server_code < 1000 else "other")

    def record_lookup(self, attempt: Attempt) -> None:
        """A dispatch begins: its number is looked up now, or an earlier answer came with it."""
        if isinstance(attempt.action, actions.LookUpNumber):
            self.lookups.inc("asked")
        elif attempt.command.chat_id is not None and not attempt.is_reconciling:
            self.lookups.inc("cached")

    def record_account(self, record: AccountRecord) -> None:
        """The account's record is this now."""
        self.restricted.clear()
        # A ready account has a reason only if WhatsApp limits it.
        if record.state == "restricted" or (record.state == "ready" and record.reason):
            self.restricted.labels(record.reason or "unknown").set(1)
        self.new_chat_quota.clear()
        if record.new_chat_quota is not None:
            self.new_chat_quota.labels("total").set(record.new_chat_quota.total)
            self.new_chat_quota.labels("used").set(record.new_chat_quota.used)
