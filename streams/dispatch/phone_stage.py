"""The phone stage: folds the events of `wa.internal.phone` into rows, then tells the world.

A thin shell around `step`: rows first, effects after, and only then is the record acknowledged. An
event older than its phone's row was folded before and is dropped; the one that wrote the row is told
again from the row's journal; a newer one is folded. So every crash point replays to the same result.
It never raises for what an event holds.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from streams.dispatch.accounts import Accounts
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import Publisher
from streams.dispatch.record_mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.events import Event, RequestReceived
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy

log = logging.getLogger(__name__)


class EventDisposition(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # changed nothing
    REPUBLISHED = "republished"  # the row was there, its effects perhaps not
    ALREADY_APPLIED = "already_applied"  # folded before
    MALFORMED = "malformed"  # no event of ours
    FAILED = "failed"  # `step` failed on it: a bug


@dataclass(frozen=True, slots=True)
class PhoneStage:
    """What the stage needs; `now_s` is the clock of decisions, as epoch seconds."""

    policy: Policy
    accounts: Accounts
    timer_service: TimerService
    gauges: Gauges
    record_mapper: RecordMapper
    publisher: Publisher
    now_s: Callable[[], float]

    async def handle(self, store: PhoneStore, offset: int, data: bytes | None) -> EventDisposition:
        """Fold one record of the partition's log; returns when its effects are out."""
        event = _decode_event(store.partition, offset, data)
        if event is None:
            return EventDisposition.MALFORMED
        before = store.phone(event.phone)
        if before is not None and offset < before.offset:
            return EventDisposition.ALREADY_APPLIED
        if before is not None and offset == before.offset:
            await self._commit_and_publish(store, before, event)
            return EventDisposition.REPUBLISHED
        return await self._apply_event(store, before, event, offset)

    async def _apply_event(
        self, store: PhoneStore, before: Phone | None, event: Event, offset: int
    ) -> EventDisposition:
        scheduler, now_s = self.timer_service.get_scheduler(store.partition), self.now_s()
        try:
            row = step(
                before,
                event,
                offset=offset,
                now_s=now_s,
                accounts=scheduler.get_capacities(
                    event.phone, self.accounts.get_availability(now_s)
                ),
                rows=store,
                policy=self.policy,
            )
        except Exception:
            log.exception("step failed on %s at %d:%d", _event_type(event), store.partition, offset)
            await self._publish_failure(event)
            self.timer_service.update_phone(store.partition, event.phone, before)
            return EventDisposition.FAILED
        if row is None:
            self.timer_service.update_phone(store.partition, event.phone, before)
            return EventDisposition.UNCHANGED
        await self._commit_and_publish(store, row, event)
        self.gauges.update(before, row)
        return EventDisposition.APPLIED

    async def _commit_and_publish(self, store: PhoneStore, row: Phone, event: Event) -> None:
        """The row is durable before anybody hears of it, and heard before it is acknowledged."""
        await store.commit(row, event)
        await self.publisher.publish(self.record_mapper.map_row(row, event, store))
        await store.delete_spent_payloads(row)
        self.timer_service.update_phone(store.partition, row.phone, None if row.is_removed else row)

    async def _publish_failure(self, event: Event) -> None:
        """Nothing was changed by it; whoever asked is told that nothing will be."""
        if isinstance(event, RequestReceived):
            await self.publisher.publish(self.record_mapper.map_internal_error(event, self.now_s()))


def _decode_event(partition: int, offset: int, data: bytes | None) -> Event | None:
    try:
        return events.decode(data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("no event of ours in the phone log at %d:%d: passed over", partition, offset)  # noqa: TRY400 - the bytes may hold a number
        return None


def _event_type(event: Event) -> str:
    return type(event).__name__
