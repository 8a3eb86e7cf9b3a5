"""Decides what an event of the phone log comes to: a shell around `step` that writes nothing and publishes nothing.

What a decision takes or frees at an account, the next one sees at once, although nothing of it is durable yet: both may
share one commit. If that commit cannot be finished, the partition is lost and everything here is rebuilt from the rows.
No content of an event makes this raise, and nothing that it logs holds a phone number.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeGuard

from msgspec.structs import replace

from streams.dispatch.accounts import Accounts
from streams.dispatch.commits.decision import (
    Decision,
    EventDisposition,
    StageMetrics,
    count_error,
)
from streams.dispatch.conversion import LogRecord
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.abandonment import abandon
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    Event,
    ForgetRequested,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    Sent,
    TimerFired,
)
from streams.domain.phone.handlers import receipts
from streams.domain.phone.lifecycle import IllegalTransition
from streams.domain.phone.scheduling.grouping import (
    MAX_TURNS_PER_EVENT,
    CommitPhones,
    find_free_place,
)
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy
from streams.runtime.broker.publisher import DurabilityError

log = logging.getLogger(__name__)

# Nothing of such an event has to be published again, so a second event of its phone may share its commit.
_HARMLESS: Final = (EventDisposition.ALREADY_APPLIED, EventDisposition.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Decider:
    """What a decision needs; `accept_s` gives the time of a decision about an event with this append time."""

    policy: Policy
    accounts: Accounts
    timer_service: TimerService
    record_mapper: RecordMapper
    metrics: StageMetrics
    accept_s: Callable[[float], float]

    def decide_with_turns(
        self, store: PhoneStore, event: Event, record: LogRecord, commit: CommitPhones
    ) -> list[Decision]:
        """What this event comes to, and then what it comes to for the phones that get the places which it frees.

        Raises as `decide` does.
        """
        decision = self.decide(store, event, record)
        if decision.disposition in _HARMLESS:
            return [decision]
        commit.take(event.phone)
        if decision.is_republished:
            return [decision, *self._repeat_turns(store, decision, commit)]
        account = find_free_place(decision.before, decision.row)
        if account is None or not self._is_awaited(store.partition, account):
            return [decision]
        granted = self._grant_turns(store, account, record, commit)
        return [self._name_turns(store, decision, granted), *granted]

    def _is_awaited(self, partition: int, account: str) -> bool:
        return self.timer_service.get_scheduler(partition).is_awaited(account)

    def _grant_turns(
        self, store: PhoneStore, account: str, record: LogRecord, commit: CommitPhones
    ) -> list[Decision]:
        scheduler = self.timer_service.get_scheduler(store.partition)
        availabilities = self.accounts.get_availabilities(self.accept_s(record.append_s))
        granted: list[Decision] = []
        rows: dict[str, Phone | None] = {}

        def is_allowed(phone: str) -> bool:
            rows[phone] = store.get_phone(phone)
            return commit.may_get_turn(phone, rows[phone], record.offset)

        while len(granted) < MAX_TURNS_PER_EVENT:
            wake = scheduler.take_turn(account, availabilities, is_allowed)
            if wake is None:
                break
            commit.take(wake.phone)
            decision = self.decide(store, wake, record, row=rows[wake.phone])
            if decision.row is None:
                break
            granted.append(replace(decision, is_granted=True))
        return granted

    def _name_turns(
        self, store: PhoneStore, decision: Decision, granted: list[Decision]
    ) -> Decision:
        """The row of the phone that freed the places names the others: so a replay finds them."""
        if not granted or decision.row is None:
            return decision
        turns = tuple(each.event.phone for each in granted)
        journal = replace(decision.row.journal, turns=turns)
        row = replace(decision.row, journal=journal)
        changes = [store.make_phone_change(row), *decision.changes[1:]]
        return replace(decision, row=row, changes=changes)

    def _repeat_turns(
        self, store: PhoneStore, decision: Decision, commit: CommitPhones
    ) -> Iterator[Decision]:
        """The phones to which the event gave places before a crash, unless a newer event has changed them since."""
        for phone in decision.row.journal.turns if decision.row else ():
            row = store.get_phone(phone)
            if row is not None and row.offset == decision.record.offset:
                commit.take(phone)
                wake = TimerFired(phone=phone, timer_version=row.timer_version)
                repeated = self.decide(store, wake, decision.record, row=row)
                yield replace(repeated, is_granted=True)

    def decide(
        self, store: PhoneStore, event: Event, record: LogRecord, *, row: Phone | None = None
    ) -> Decision:
        """What this event comes to. Everything that was decided about its phone before must be committed.

        `row`: that of its phone, if it was read already.

        Raises:
            PartitionRevoked: the rows are gone.
        """
        try:
            decision = self._decide(store, event, record, row)
        except DurabilityError:
            raise
        except Exception:
            log.exception(count_error(self.metrics, "unreadable", store.partition, record, event))
            return self.skip(store, event, record)
        self._take_places(store.partition, decision)
        return decision

    def _decide(
        self, store: PhoneStore, event: Event, record: LogRecord, row: Phone | None
    ) -> Decision:
        before = row or store.get_phone(event.phone)
        if before is not None and record.offset < before.offset:
            return Decision(
                event, record, EventDisposition.ALREADY_APPLIED, before, is_turn_over=False
            )
        if before is not None and record.offset == before.offset:
            changes = store.make_changes(before, event)
            return Decision(event, record, EventDisposition.REPUBLISHED, before, before, changes)
        return self._apply(store, before, event, record)

    def _apply(
        self, store: PhoneStore, before: Phone | None, event: Event, record: LogRecord
    ) -> Decision:
        try:
            row = self._step(store, before, event, record)
        except Exception:
            log.exception(count_error(self.metrics, "step", store.partition, record, event))
            failed = Decision(event, record, EventDisposition.FAILED, before)
            return self._abandon(store, failed)
        if isinstance(row, IllegalTransition):
            self.metrics.count_illegal_transition()
            change = f"{row.event}: {row.before} to {row.after}"
            log.error("illegal transition at %d:%d: %s", store.partition, record.offset, change)
            illegal = Decision(event, record, EventDisposition.ILLEGAL, before)
            return self._abandon(store, illegal)
        if row is None:
            self._report_contradiction(store, event, record)
            return Decision(event, record, EventDisposition.UNCHANGED, before)
        changes = store.make_changes(row, event)
        return Decision(event, record, EventDisposition.APPLIED, before, row, changes)

    def _step(
        self, store: PhoneStore, before: Phone | None, event: Event, record: LogRecord
    ) -> Phone | IllegalTransition | None:
        now_s = self.accept_s(record.append_s)
        scheduler = self.timer_service.get_scheduler(store.partition)
        availabilities = self.accounts.get_availabilities(now_s)
        return step(
            before,
            event,
            offset=record.offset,
            now_s=now_s,
            append_s=record.append_s,
            accounts=scheduler.get_capacities(event.phone, availabilities),
            rows=store,
            policy=self.policy,
        )

    def _take_places(self, partition: int, decision: Decision) -> None:
        if decision.is_turn_over:
            self.timer_service.decide_phone(partition, decision.event.phone, decision.current)

    # -- what cannot be applied

    def abandon(self, store: PhoneStore, decision: Decision) -> Decision:
        """The row of a decision is too large to be written: what its event comes to instead."""
        failed = Decision(decision.event, decision.record, EventDisposition.FAILED, decision.before)
        abandoned = self._abandon(store, failed)
        self._take_places(store.partition, abandoned)
        return abandoned

    def _abandon(self, store: PhoneStore, failed: Decision) -> Decision:
        """The event cannot be applied: its message ends, and its caller learns that it failed."""
        event, record = failed.event, failed.record
        row = failed.before and abandon(
            failed.before,
            event,
            offset=record.offset,
            now_s=self.accept_s(record.append_s),
            append_s=record.append_s,
            rows=store,
            policy=self.policy,
        )
        if row is None:
            answers = self._answer(store, event, record)
            return replace(failed, answers=answers)
        return replace(failed, row=row, changes=store.make_changes(row, event))

    def skip(self, store: PhoneStore, event: Event, record: LogRecord) -> Decision:
        """Nothing can be done about the event, but that a request is answered."""
        answers = self._answer(store, event, record)
        return Decision(event, record, EventDisposition.FAILED, answers=answers, is_turn_over=False)

    def _answer(self, store: PhoneStore, event: Event, record: LogRecord) -> list[OutgoingRecord]:
        """A request that has no row ends as failed. What is known of an older one of its id stays true."""
        append_s = record.append_s
        if isinstance(event, CancelRequested | ConsentRequested | ForgetRequested):
            source_record = event.source_record
            if source_record is None:
                return []
            return self.record_mapper.map_failed(event, source_record, append_s)
        if not isinstance(event, RequestReceived):
            return []
        if store.has_message(event.phone, event.request.id):
            return []
        return self.record_mapper.map_internal_error(event, append_s)

    def _report_contradiction(self, store: PhoneStore, event: Event, record: LogRecord) -> None:
        """Nothing may follow the wrong status, but somebody should look into it."""
        if not _proves_sent(event):
            return
        message = store.get_message(event.phone, event.id)
        if message is not None and receipts.contradicts_status(message):
            self.metrics.count_contradicting_receipt()
            position = f"{store.partition}:{record.offset}"
            receipt = event.receipt if isinstance(event, ReceiptSeen) else "sent"
            log.error("receipt %s at %s: its message is %s", receipt, position, message.state)


def _proves_sent(event: Event) -> TypeGuard[ReceiptSeen | Outcome]:
    is_sent = isinstance(event, Outcome) and isinstance(event.result, Sent)
    return is_sent or isinstance(event, ReceiptSeen)
