"""Makes decisions durable, many in one commit: the rows, then what follows from them, then what needs both.

The rows of all decisions are one batch, and everything that follows is one publish, in the order of the log. A commit
has at most one event of each phone, so the journal of each row holds everything that has to be published again after a
crash. If the rows are too large together, each event is committed alone, so that only the guilty one is abandoned.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from streams.dispatch.commits.decider import Decider
from streams.dispatch.commits.decision import (
    Decision,
    EventDisposition,
    StageMetrics,
    count_error,
)
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.dispatch.records.consents import report_changes
from streams.dispatch.records.mapper import MappedRow, RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Failed, Outcome, OutcomeUnknown
from streams.domain.phone.state import Phone
from streams.runtime.broker.publisher import DurabilityError, RecordTooLarge

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Committer:
    """What a commit needs. `decider` decides again about an event whose row is too large."""

    decider: Decider
    timer_service: TimerService
    gauges: Gauges
    record_mapper: RecordMapper
    publisher: Publisher
    metrics: StageMetrics

    async def commit(self, store: PhoneStore, decisions: Sequence[Decision]) -> list[Decision]:
        """Return when the rows are durable and everything that follows is published; returns what was committed.

        Raises:
            PartitionRevoked, AppStopped: the events are read again, by the next owner of the partition.
        """
        try:
            await _write(store, decisions)
        except RecordTooLarge:
            if len(decisions) == 1:
                return [await self._commit_too_large(store, decisions[0])]
            log.warning("a commit of %d events is too large: one by one", len(decisions))
            return await self._commit_alone(store, decisions)
        await self._publish(store, decisions)
        return list(decisions)

    async def _commit_alone(
        self, store: PhoneStore, decisions: Sequence[Decision]
    ) -> list[Decision]:
        committed: list[Decision] = []
        named: set[str] = set()  # the phones that a row names which is committed
        for decision in decisions:
            phone = decision.event.phone
            if decision.is_granted and phone not in named:
                # The row that should name it was abandoned. It waits on, and is woken by an event.
                self.timer_service.decide_phone(store.partition, phone, decision.before)
                continue
            [done] = await self.commit(store, [decision])
            committed.append(done)
            named.update(done.row.journal.turns if done.row else ())
        return committed

    async def _commit_too_large(self, store: PhoneStore, decision: Decision) -> Decision:
        """The rows of this event alone are too large: its message ends, or the event is skipped."""
        if decision.is_republished:
            # It was written once, so only its effects may be missing.
            log.exception("row %d:%d is not written again", store.partition, decision.record.offset)
            await self._publish(store, [decision])
            return decision
        abandoned = self.decider.abandon(store, self._count_too_large(store, decision))
        try:
            await _write(store, [abandoned])
        except RecordTooLarge:
            self._count_too_large(store, decision)
            abandoned = self.decider.skip(store, decision.event, decision.record)
        await self._publish(store, [abandoned])
        return abandoned

    def _count_too_large(self, store: PhoneStore, decision: Decision) -> Decision:
        record, event = decision.record, decision.event
        log.exception(count_error(self.metrics, "too_large", store.partition, record, event))
        return decision

    # -- what follows from the rows

    async def _publish(self, store: PhoneStore, decisions: Sequence[Decision]) -> None:
        """The rows are durable: publish the effects, then remove the payloads that only they needed."""
        records: list[OutgoingRecord] = []
        mapped_rows: list[tuple[Decision, MappedRow]] = []
        for decision in decisions:
            records += decision.answers
            if decision.row is not None:
                mapped = self._map(store, decision, decision.row)
                mapped_rows.append((decision, mapped))
                records += mapped.records
        member_changes = [change for _, mapped in mapped_rows for change in mapped.member_changes]
        records += self.record_mapper.batches.join(member_changes)
        refused = await self.publisher.publish(records)
        await self._end_undispatched(store.partition, mapped_rows, refused)
        await store.delete_spent_payloads([each.row for each in decisions if each.row is not None])
        for decision in decisions:
            self._report(store.partition, decision)
        self.timer_service.notify()

    def _map(self, store: PhoneStore, decision: Decision, row: Phone) -> MappedRow:
        event = decision.event
        try:
            mapped = self.record_mapper.map_row(
                row, event, store, is_republished=decision.is_republished
            )
        except DurabilityError:
            raise
        except Exception:
            kind, record = "unreadable", decision.record
            log.exception(count_error(self.metrics, kind, store.partition, record, event))
            answers = self.decider.skip(store, event, record).answers
            return MappedRow(list(answers), [], [], [])
        for missing in mapped.missing_payloads:
            self.metrics.count_missing_payload(missing.case)
            if missing.case == "lost":
                log.error("no payload at %d:%d: %s", store.partition, row.offset, missing.effect)
        return mapped

    async def _end_undispatched(
        self,
        partition: int,
        mapped_rows: Sequence[tuple[Decision, MappedRow]],
        refused: Sequence[OutgoingRecord],
    ) -> None:
        """No sender gets to know of these dispatches, so their outcome is known, or will never be."""
        outcomes = [
            _make_outcome(decision, effect, error)
            for decision, mapped in mapped_rows
            for effect, error in mapped.find_undispatched(refused)
        ]
        await self.publisher.publish(
            [self.timer_service.make_record(partition, outcome) for outcome in outcomes]
        )

    def _report(self, partition: int, decision: Decision) -> None:
        """The event is done: who counts or watches the phone learns of it."""
        row = decision.row
        if row is not None and not decision.is_republished:
            self.gauges.update(partition, decision.before, row)
        if row is not None and decision.disposition is EventDisposition.APPLIED:
            report_changes(row, self.metrics)
        if decision.is_turn_over:
            phone = decision.event.phone
            self.timer_service.flights.update(partition, phone, decision.current)


async def _write(store: PhoneStore, decisions: Sequence[Decision]) -> None:
    changes = [change for decision in decisions for change in decision.changes]
    if changes:
        await store.commit(changes)


def _make_outcome(decision: Decision, effect: Dispatch, error: Error) -> Outcome:
    return Outcome(
        phone=decision.event.phone,
        id=effect.id,
        dispatch_number=effect.dispatch_number,
        account=effect.account,
        whatsapp_id="",
        result=_make_result(decision, effect, error),
    )


def _make_result(decision: Decision, effect: Dispatch, error: Error) -> Failed | OutcomeUnknown:
    """Of a dispatch that was to find out what became of an earlier attempt, nothing can tell it any more."""
    flight = decision.row.in_flight if decision.row is not None else None
    if flight is None or flight.dispatch_number != effect.dispatch_number or not flight.is_in_doubt:
        return Failed(error=error)
    unknown = Error("outcome_unknown", f"{error.code}: {error.detail}")
    return OutcomeUnknown(at_s=flight.since_s, error=unknown)
