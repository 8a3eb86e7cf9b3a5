"""The phone stage: applies the events of the phone log to rows, then publishes what follows.

It is a thin shell around `step`: rows first, effects after, and only then is the record acknowledged.
An event older than its phone's row was applied before and is dropped. The effects of the event that
wrote the row are published again from the row's journal. A newer event is applied. So every crash point
replays to the same result. No content of an event makes this stage raise, and nothing that it logs
holds a phone number. An event on which this program fails is counted and logged with its position, and
the message that it is about ends (domain/abandonment.py).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeGuard

import msgspec

from streams.dispatch.accounts import Accounts
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import Publisher
from streams.dispatch.records.consents import ConsentMetrics, report_changes
from streams.dispatch.records.context import MissingCase
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.abandonment import abandon
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    Event,
    Failed,
    ForgetRequested,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    Sent,
)
from streams.domain.phone.handlers import receipts
from streams.domain.phone.lifecycle import IllegalTransition
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy
from streams.runtime.broker.publisher import DurabilityError, RecordTooLarge

log = logging.getLogger(__name__)


class EventDisposition(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # changed nothing
    REPUBLISHED = "republished"  # its row was there, its effects perhaps not
    ALREADY_APPLIED = "already_applied"
    MALFORMED = "malformed"  # not an event of the phone log
    FAILED = "failed"  # `step` raised: a bug; its message has ended, or the event was skipped
    ILLEGAL = "illegal"  # `step` refused a change that the life cycle does not allow: a bug


# `malformed`: it is no event. `step`: a bug. `too_large`: its rows do not fit the changelog. `unreadable`: a
# row of its phone cannot be read, or anything else that has no name.
ErrorKind = Literal["malformed", "step", "too_large", "unreadable"]


class StageMetrics(ConsentMetrics, Protocol):
    """What the stage counts."""

    def count_illegal_transition(self) -> None:
        """`step` refused a change."""
        ...

    def count_internal_error(self, kind: ErrorKind) -> None:
        """This program failed on an event."""
        ...

    def count_contradicting_receipt(self) -> None:
        """A receipt shows that a message arrived whose final status says that it was not sent."""
        ...

    def count_missing_payload(self, case: MissingCase) -> None:
        """An effect had no payload, and nothing was published for it."""
        ...


@dataclass(frozen=True, slots=True)
class PhoneStage:
    """What the stage needs; `accept_s` gives the time of a decision about an event with this append time."""

    policy: Policy
    accounts: Accounts
    timer_service: TimerService
    gauges: Gauges
    record_mapper: RecordMapper
    publisher: Publisher
    metrics: StageMetrics
    accept_s: Callable[[float], float]

    async def handle(
        self, store: PhoneStore, offset: int, data: bytes | None, append_s: float
    ) -> EventDisposition:
        """Apply one record of the partition's log; return when its effects are published.

        A record is decided on once: what was committed is never decided again, so a crash changes no time.

        Raises:
            PartitionRevoked, AppStopped: the event is read again, by the next owner of the partition.
        """
        event = _decode_event(store.partition, offset, data)
        if event is None:
            self.metrics.count_internal_error("malformed")
            return EventDisposition.MALFORMED
        try:
            return await self._handle_event(store, event, offset, append_s)
        except DurabilityError:
            raise
        except Exception:
            log.exception(self._count_error("unreadable", store, event, offset))
            return await self._skip(store, event, append_s)

    async def _handle_event(
        self, store: PhoneStore, event: Event, offset: int, append_s: float
    ) -> EventDisposition:
        before = store.get_phone(event.phone)
        if before is not None and offset < before.offset:
            return EventDisposition.ALREADY_APPLIED
        if before is not None and offset == before.offset:
            await self._commit_and_publish(store, before, event, is_republished=True)
            return EventDisposition.REPUBLISHED
        return await self._apply_event(store, before, event, offset, append_s)

    async def _apply_event(
        self, store: PhoneStore, before: Phone | None, event: Event, offset: int, append_s: float
    ) -> EventDisposition:
        try:
            row = self._step(store, before, event, offset, append_s)
        except Exception:
            log.exception(self._count_error("step", store, event, offset))
            return await self._abandon(
                store, before, event, offset, append_s, EventDisposition.FAILED
            )
        if isinstance(row, IllegalTransition):
            self.metrics.count_illegal_transition()
            change = f"{row.event}: {row.before} to {row.after}"
            log.error("illegal transition at %d:%d: %s", store.partition, offset, change)
            return await self._abandon(
                store, before, event, offset, append_s, EventDisposition.ILLEGAL
            )
        if row is None:
            self._report_contradiction(store, event, offset)
            self.timer_service.update_phone(store.partition, event.phone, before)
            return EventDisposition.UNCHANGED
        try:
            await self._commit_and_publish(store, row, event, is_republished=False)
        except RecordTooLarge:
            log.exception(self._count_error("too_large", store, event, offset))
            return await self._abandon(
                store, before, event, offset, append_s, EventDisposition.FAILED
            )
        self.gauges.update(before, row)
        report_changes(row, self.metrics)
        return EventDisposition.APPLIED

    async def _abandon(
        self,
        store: PhoneStore,
        before: Phone | None,
        event: Event,
        offset: int,
        append_s: float,
        disposition: EventDisposition,
    ) -> EventDisposition:
        """The event cannot be applied: its message ends, and its caller learns that it failed."""
        row = before and abandon(
            before,
            event,
            offset=offset,
            now_s=self.accept_s(append_s),
            append_s=append_s,
            rows=store,
            policy=self.policy,
        )
        if row is None:
            await self._answer_request(store, event, append_s)
            self.timer_service.update_phone(store.partition, event.phone, before)
            return disposition
        try:
            await self._commit_and_publish(store, row, event, is_republished=False)
        except RecordTooLarge:
            log.exception(self._count_error("too_large", store, event, offset))
            return await self._skip(store, event, append_s)
        self.gauges.update(before, row)
        return disposition

    async def _skip(self, store: PhoneStore, event: Event, append_s: float) -> EventDisposition:
        """Nothing can be done about the event, but that a request is answered."""
        await self._answer_request(store, event, append_s)
        return EventDisposition.FAILED

    async def _answer_request(self, store: PhoneStore, event: Event, append_s: float) -> None:
        """A request that has no row ends as failed. What is known of an older one of its id stays true."""
        is_answered = isinstance(event, CancelRequested | ConsentRequested | ForgetRequested)
        if is_answered and event.source_record is not None:
            answer = self.record_mapper.map_failed(event, event.source_record, append_s)
            await self.publisher.publish(answer)
        if not isinstance(event, RequestReceived):
            return
        if not store.has_message(event.phone, event.request.id):
            await self.publisher.publish(self.record_mapper.map_internal_error(event, append_s))

    def _count_error(self, kind: ErrorKind, store: PhoneStore, event: Event, offset: int) -> str:
        """Count an error of this program; returns the line for the log."""
        self.metrics.count_internal_error(kind)
        position = f"{store.partition}:{offset}"
        return f"{type(event).__name__} failed at {position} of the phone log ({kind})"

    def _report_contradiction(self, store: PhoneStore, event: Event, offset: int) -> None:
        """Nothing may follow the wrong status, but somebody should look into it."""
        if not _proves_sent(event):
            return
        message = store.get_message(event.phone, event.id)
        if message is not None and receipts.contradicts_status(message):
            self.metrics.count_contradicting_receipt()
            position = f"{store.partition}:{offset}"
            receipt = event.receipt if isinstance(event, ReceiptSeen) else "sent"
            log.error("receipt %s at %s: its message is %s", receipt, position, message.state)

    def _step(
        self, store: PhoneStore, before: Phone | None, event: Event, offset: int, append_s: float
    ) -> Phone | IllegalTransition | None:
        now_s = self.accept_s(append_s)
        scheduler = self.timer_service.get_scheduler(store.partition)
        availability = self.accounts.get_availability(now_s)
        return step(
            before,
            event,
            offset=offset,
            now_s=now_s,
            append_s=append_s,
            accounts=scheduler.get_capacities(
                event.phone, availability, self.accounts.without_new_chats
            ),
            rows=store,
            policy=self.policy,
        )

    async def _commit_and_publish(
        self, store: PhoneStore, row: Phone, event: Event, *, is_republished: bool
    ) -> None:
        """The row is durable before an effect is published, and that before the acknowledgement."""
        try:
            await store.commit(row, event)
        except RecordTooLarge:
            if not is_republished:
                raise
            # It was written once, so only its effects may be missing.
            log.exception("row %d:%d is not written again", store.partition, row.offset)
        mapped = self.record_mapper.map_row(row, event, store, is_republished=is_republished)
        for missing in mapped.missing_payloads:
            self.metrics.count_missing_payload(missing.case)
            if missing.case == "lost":
                log.error("no payload at %d:%d: %s", store.partition, row.offset, missing.effect)
        refused = await self.publisher.publish(mapped.records)
        await self._end_undispatched(store.partition, row, mapped.find_undispatched(refused))
        await store.delete_spent_payloads(row)
        self.timer_service.update_phone(store.partition, row.phone, None if row.is_removed else row)

    async def _end_undispatched(
        self, partition: int, row: Phone, undispatched: Sequence[tuple[Dispatch, Error]]
    ) -> None:
        """No sender gets to know of these dispatches, so their outcome is known."""
        for effect, error in undispatched:
            outcome = Outcome(
                phone=row.phone,
                id=effect.id,
                dispatch_number=effect.dispatch_number,
                account=effect.account,
                whatsapp_id="",
                result=Failed(error=error),
            )
            record = self.timer_service.make_record(partition, outcome)
            await self.publisher.publish([record])


def _decode_event(partition: int, offset: int, data: bytes | None) -> Event | None:
    try:
        return events.decode(data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("record %d:%d of the phone log is not an event: skipped", partition, offset)  # noqa: TRY400 - the bytes may hold a number
        return None


def _proves_sent(event: Event) -> TypeGuard[ReceiptSeen | Outcome]:
    is_sent = isinstance(event, Outcome) and isinstance(event.result, Sent)
    return is_sent or isinstance(event, ReceiptSeen)
