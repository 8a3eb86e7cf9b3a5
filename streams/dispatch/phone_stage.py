"""The phone stage: applies the events of the phone log to rows, then publishes what follows.

It is a thin shell around `step`: rows first, effects after, and only then is the record acknowledged.
An event older than its phone's row was applied before and is dropped. The effects of the event that
wrote the row are published again from the row's journal. A newer event is applied. So every crash point
replays to the same result. No content of an event makes this stage raise, and nothing that it logs
holds a phone number.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeGuard

import msgspec

from streams.dispatch.accounts import Accounts
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import Publisher
from streams.dispatch.records.context import MissingCase
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.events import Event, Outcome, ReceiptSeen, RequestReceived, Sent
from streams.domain.phone.handlers import receipts
from streams.domain.phone.lifecycle import IllegalTransition
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy

log = logging.getLogger(__name__)


class EventDisposition(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # changed nothing
    REPUBLISHED = "republished"  # its row was there, its effects perhaps not
    ALREADY_APPLIED = "already_applied"
    MALFORMED = "malformed"  # not an event of the phone log
    FAILED = "failed"  # `step` raised: a bug
    ILLEGAL = "illegal"  # `step` refused a change that the life cycle does not allow: a bug


class StageMetrics(Protocol):
    """What the stage counts."""

    def count_illegal_transition(self) -> None:
        """`step` refused a change."""
        ...

    def count_contradicting_receipt(self) -> None:
        """A receipt shows that a message arrived whose final status says that it was not sent."""
        ...

    def count_missing_payload(self, case: MissingCase) -> None:
        """An effect had no payload, and nothing was published for it."""
        ...


@dataclass(frozen=True, slots=True)
class PhoneStage:
    """What the stage needs; `now_s` is the clock of decisions, as epoch seconds."""

    policy: Policy
    accounts: Accounts
    timer_service: TimerService
    gauges: Gauges
    record_mapper: RecordMapper
    publisher: Publisher
    metrics: StageMetrics
    now_s: Callable[[], float]

    async def handle(self, store: PhoneStore, offset: int, data: bytes | None) -> EventDisposition:
        """Apply one record of the partition's log; return when its effects are published."""
        event = _decode_event(store.partition, offset, data)
        if event is None:
            return EventDisposition.MALFORMED
        before = store.get_phone(event.phone)
        if before is not None and offset < before.offset:
            return EventDisposition.ALREADY_APPLIED
        if before is not None and offset == before.offset:
            await self._commit_and_publish(store, before, event, is_republished=True)
            return EventDisposition.REPUBLISHED
        return await self._apply_event(store, before, event, offset)

    async def _apply_event(
        self, store: PhoneStore, before: Phone | None, event: Event, offset: int
    ) -> EventDisposition:
        try:
            row = self._step(store, before, event, offset)
        except Exception:
            log.exception("step failed on %s at %d:%d", _event_type(event), store.partition, offset)
            return await self._refuse(store, before, event, EventDisposition.FAILED)
        if isinstance(row, IllegalTransition):
            self.metrics.count_illegal_transition()
            change = f"{row.event}: {row.before} to {row.after}"
            log.error("illegal transition at %d:%d: %s", store.partition, offset, change)
            return await self._refuse(store, before, event, EventDisposition.ILLEGAL)
        if row is None:
            self._report_contradiction(store, event, offset)
            self.timer_service.update_phone(store.partition, event.phone, before)
            return EventDisposition.UNCHANGED
        await self._commit_and_publish(store, row, event, is_republished=False)
        self.gauges.update(before, row)
        return EventDisposition.APPLIED

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
        self, store: PhoneStore, before: Phone | None, event: Event, offset: int
    ) -> Phone | IllegalTransition | None:
        now_s = self.now_s()
        scheduler = self.timer_service.get_scheduler(store.partition)
        availability = self.accounts.get_availability(now_s)
        return step(
            before,
            event,
            offset=offset,
            now_s=now_s,
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
        await store.commit(row, event)
        mapped = self.record_mapper.map_row(row, event, store, is_republished=is_republished)
        for missing in mapped.missing_payloads:
            self.metrics.count_missing_payload(missing.case)
            if missing.case == "lost":
                log.error("no payload at %d:%d: %s", store.partition, row.offset, missing.effect)
        await self.publisher.publish(mapped.records)
        await store.delete_spent_payloads(row)
        self.timer_service.update_phone(store.partition, row.phone, None if row.is_removed else row)

    async def _refuse(
        self,
        store: PhoneStore,
        before: Phone | None,
        event: Event,
        disposition: EventDisposition,
    ) -> EventDisposition:
        """The event changed nothing; if it was a request, its caller learns that it failed."""
        if isinstance(event, RequestReceived):
            await self.publisher.publish(self.record_mapper.map_internal_error(event, self.now_s()))
        self.timer_service.update_phone(store.partition, event.phone, before)
        return disposition


def _decode_event(partition: int, offset: int, data: bytes | None) -> Event | None:
    try:
        return events.decode(data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("record %d:%d of the phone log is not an event: skipped", partition, offset)  # noqa: TRY400 - the bytes may hold a number
        return None


def _proves_sent(event: Event) -> TypeGuard[ReceiptSeen | Outcome]:
    is_sent = isinstance(event, Outcome) and isinstance(event.result, Sent)
    return is_sent or isinstance(event, ReceiptSeen)


def _event_type(event: Event) -> str:
    return type(event).__name__
