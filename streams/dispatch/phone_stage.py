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
from streams.dispatch.answers import Answers
from streams.dispatch.clock import Clock
from streams.dispatch.outlet import Outlet
from streams.dispatch.rows import Rows
from streams.dispatch.tally import Tally
from streams.domain.phone import events
from streams.domain.phone.events import Event, RequestReceived
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy

log = logging.getLogger(__name__)


class Fate(StrEnum):
    """What became of one event."""

    FOLDED = "folded"
    IDLE = "idle"  # changed nothing
    TOLD_AGAIN = "told_again"  # the row was there, its effects perhaps not
    DROPPED = "dropped"  # folded before
    POISON = "poison"  # no event of ours
    BROKEN = "broken"  # `step` failed on it: a bug


@dataclass(frozen=True, slots=True)
class PhoneStage:
    """What the stage needs; `now_s` is the clock of decisions, as epoch seconds."""

    rules: Policy
    accounts: Accounts
    clock: Clock
    tally: Tally
    answers: Answers
    outlet: Outlet
    now_s: Callable[[], float]

    async def handle(self, rows: Rows, offset: int, data: bytes | None) -> Fate:
        """Fold one record of the partition's log; returns when its effects are out."""
        event = _decoded(rows.partition, offset, data)
        if event is None:
            return Fate.POISON
        before = rows.phone(event.phone)
        if before is not None and offset < before.offset:
            return Fate.DROPPED
        if before is not None and offset == before.offset:
            await self._tell(rows, before, event)
            return Fate.TOLD_AGAIN
        return await self._fold(rows, before, event, offset)

    async def _fold(self, rows: Rows, before: Phone | None, event: Event, offset: int) -> Fate:
        agenda, now_s = self.clock.agenda(rows.partition), self.now_s()
        try:
            row = step(
                before,
                event,
                offset=offset,
                now_s=now_s,
                accounts=agenda.get_capacities(event.phone, self.accounts.able(now_s)),
                rows=rows,
                policy=self.rules,
            )
        except Exception:
            log.exception("step failed on %s at %d:%d", _kind(event), rows.partition, offset)
            await self._give_up(event)
            self.clock.see(rows.partition, event.phone, before)
            return Fate.BROKEN
        if row is None:
            self.clock.see(rows.partition, event.phone, before)
            return Fate.IDLE
        await self._tell(rows, row, event)
        self.tally.changed(before, row)
        return Fate.FOLDED

    async def _tell(self, rows: Rows, row: Phone, event: Event) -> None:
        """The row is durable before anybody hears of it, and heard before it is acknowledged."""
        await rows.commit(row, event)
        await self.outlet.put(self.answers.of_row(row, event, rows))
        await rows.spend(row)
        self.clock.see(rows.partition, row.phone, None if row.is_removed else row)

    async def _give_up(self, event: Event) -> None:
        """Nothing was changed by it; whoever asked is told that nothing will be."""
        if isinstance(event, RequestReceived):
            await self.outlet.put(self.answers.of_broken(event, self.now_s()))


def _decoded(partition: int, offset: int, data: bytes | None) -> Event | None:
    try:
        return events.decode(data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("no event of ours in the phone log at %d:%d: passed over", partition, offset)  # noqa: TRY400 - the bytes may hold a number
        return None


def _kind(event: Event) -> str:
    return type(event).__name__
