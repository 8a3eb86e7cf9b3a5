"""The history of one request id of one recipient: does each status follow from the one before? Pure.

Repeated events are no violation: events are delivered at least once, and a repeat of a request gets its last status
again. After the idempotency window the same id may be a new message, whose events have the same event ids.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from streams.contract.status import FINAL_STATUSES, Status
from streams.operations.audit.facts import STATUSES, MessageLog, StatusFact, Terms, unpack

DELIVERY_STATUSES: Final[tuple[Status, ...]] = ("sent", "delivered", "read", "played")
# Each has a dead letter. `rejected` after `accepted`: the recipient has opted out.
FAILURE_STATUSES: Final[tuple[Status, ...]] = ("failed", "rejected", "unknown")
Report = Callable[[str, str, tuple[StatusFact, ...]], None]  # kind, detail, events


@dataclass(slots=True)
class History:
    """What the events of one message log come to."""

    log: MessageLog
    facts: list[StatusFact] = field(default_factory=list)  # each one once, in order
    accepted: list[StatusFact] = field(default_factory=list)
    sent: list[StatusFact] = field(default_factory=list)
    failures: list[StatusFact] = field(default_factory=list)  # each has a dead letter
    send_times: list[StatusFact] = field(default_factory=list)  # what counts against the limit
    new_messages: int = 0  # how often the id began again after the idempotency window
    clock_steps: int = 0

    @property
    def last(self) -> StatusFact:
        """The last event."""
        return self.facts[-1]

    @property
    def is_open(self) -> bool:
        """Whether the message waits."""
        return self.last.status in ("accepted", "queued")


def trace(log: MessageLog, terms: Terms, report: Report) -> History:
    """Follow the events of this log, and report each one that does not follow."""
    tracer = _Tracer(History(log), terms, report)
    for fact in sorted(unpack(log.events), key=lambda fact: (fact.partition, fact.offset)):
        tracer.add(fact)
    return tracer.history


class _Tracer:
    """Where the message is, while its events are followed."""

    def __init__(self, history: History, terms: Terms, report: Report) -> None:
        self.history = history
        self._terms = terms
        self._report = report
        self._seen: dict[tuple[Status, int], StatusFact] = {}
        self._generation = 0  # 0: no event with a generation was seen yet
        self._state: StatusFact | None = None  # the last event of this generation
        self._completed_ms: int | None = None  # the idempotency window counts from then
        self._has_gap = False  # the beginning of this generation is not in the topic

    def add(self, fact: StatusFact) -> None:
        """The next event in the topic."""
        name = (fact.status, fact.number)
        earlier = self._seen.get(name)
        if earlier is not None and earlier.digest == fact.digest:
            return
        if not self._begins_again(fact) and earlier is not None:
            detail = "two different facts have one event id"
            self._report("event_id_reused", detail, (earlier, fact))
            return
        self._seen[name] = fact
        if self._is_perhaps_repeat(fact):
            self._has_gap = True
            if not self._is_later(fact):
                return
        else:
            self._check(fact)
        self._count(fact)
        if fact.status != "queued":
            self._generation = max(self._generation, fact.number)
        self._state = fact

    def _is_perhaps_repeat(self, fact: StatusFact) -> bool:
        """Whether it may repeat an event that was deleted, and so stand behind what followed it."""
        return self._state is not None and fact.at_ms < self._terms.statuses_from_s * 1000

    def _is_later(self, fact: StatusFact) -> bool:
        state = self._state
        assert state is not None
        order = STATUSES.index
        return (fact.at_ms, order(fact.status)) > (state.at_ms, order(state.status))

    def _begins_again(self, fact: StatusFact) -> bool:
        """Whether the id was forgotten before this event, so that it names a new message."""
        window_ms = self._terms.idempotency_window_s * 1000
        completed_ms = self._completed_ms
        if (fact.status, fact.number) != ("accepted", 1) or completed_ms is None:
            return False
        if fact.at_ms < completed_ms + window_ms:
            return False
        self._seen.clear()
        self._generation, self._state, self._completed_ms = 0, None, None
        self.history.new_messages += 1
        return True

    def _check(self, fact: StatusFact) -> None:
        state = self._state
        if state is None:
            self._has_gap = fact.status != "accepted"
            return
        if fact.status == "accepted":
            self._check_accepted(state, fact)
        elif fact.status != "queued" and fact.number < self._generation:
            self._report("status_went_back", "an event of an earlier replay", (state, fact))
        elif fact.status != "queued" and 0 < self._generation < fact.number:
            self._report("not_accepted", "the replay was not accepted before", (state, fact))
        elif fact.status in DELIVERY_STATUSES:
            self._check_delivery(state, fact)
        elif state.status in FINAL_STATUSES:
            detail = f"{fact.status} after the final status {state.status}"
            self._report("follows_final", detail, (state, fact))
        elif state.status in DELIVERY_STATUSES:
            self._report("status_went_back", f"{fact.status} after {state.status}", (state, fact))

    def _check_accepted(self, state: StatusFact, fact: StatusFact) -> None:
        """Only a replay is accepted again, and only what ended is replayed."""
        if fact.number <= self._generation or state.status in ("accepted", "queued"):
            self._report("status_went_back", f"accepted after {state.status}", (state, fact))
        self._has_gap = False

    def _check_delivery(self, state: StatusFact, fact: StatusFact) -> None:
        if state.status in DELIVERY_STATUSES:
            if DELIVERY_STATUSES.index(fact.status) <= DELIVERY_STATUSES.index(state.status):
                detail = f"{fact.status} after {state.status}"
                self._report("status_went_back", detail, (state, fact))
        elif state.status in FINAL_STATUSES:
            if state.status != "unknown":  # a receipt proves that it arrived
                detail = f"{fact.status} after the final status {state.status}"
                self._report("follows_final", detail, (state, fact))
        elif fact.status != "sent" and not self._has_gap:
            self._report("sent_missing", f"{fact.status} without sent before it", (state, fact))

    def _count(self, fact: StatusFact) -> None:
        history, state = self.history, self._state
        history.facts.append(fact)
        if fact.status == "accepted":
            self._completed_ms = None
        elif fact.status != "queued" and self._completed_ms is None:
            self._completed_ms = fact.at_ms
        if fact.status == "accepted":
            history.accepted.append(fact)
        elif fact.status in FAILURE_STATUSES:
            history.failures.append(fact)
        elif fact.status == "sent":
            history.sent.append(fact)
        # A message that is unknown was counted then, and not again when a receipt proved that it was sent.
        was_counted = state is not None and state.status == "unknown"
        if fact.status == "unknown" or (fact.status == "sent" and not was_counted):
            history.send_times.append(fact)


def join(histories: Iterable[History]) -> list[StatusFact]:
    """The events of several logs by their times."""
    return sorted(
        (fact for history in histories for fact in history.facts), key=lambda fact: fact.at_ms
    )
