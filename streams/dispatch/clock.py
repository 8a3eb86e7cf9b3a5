"""The clock: when a phone's time or turn has come, says so in the phone's log. Touches no row.

It holds one agenda per partition, derived data that is built from the rows after each recovery. A
wake that is lost with the process is found again by that; one that comes twice is stale, and nothing.
"""

import asyncio
from collections.abc import Callable

from streams.dispatch.accounts import Accounts
from streams.dispatch.outlet import Outgoing, Outlet
from streams.dispatch.rows import Rows
from streams.domain.accounts.scheduler import Scheduler
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.domain.phone.state import Phone, State

_LOOK_AT_LEAST_EVERY_S = 60.0  # a wall clock may be set anew


class Clock:
    """Sends `Woken` and `Due` to the partitions that this process owns."""

    def __init__(
        self,
        accounts: Accounts,
        outlet: Outlet,
        topic: str,
        window: int,
        now_s: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._outlet = outlet
        self._topic = topic
        self._window = window
        self._now_s = now_s
        self._agendas: dict[int, Scheduler] = {}
        self._stirred = asyncio.Event()

    def agenda(self, partition: int) -> Scheduler:
        """The agenda of a partition."""
        if partition not in self._agendas:
            self._agendas[partition] = Scheduler(self._window)
        return self._agendas[partition]

    def see(self, partition: int, phone: str, row: Phone | None) -> None:
        """The phone's row is this now."""
        agenda = self.agenda(partition)
        agenda.update(phone, row)
        for message in row.journal.messages if row else ():
            if message.state is State.SCHEDULED:
                agenda.schedule(phone, message.id, message.send_at_s)
        self.stir()

    def clear(self) -> None:
        """The partitions may be others now: everything is to be learned anew."""
        self._agendas.clear()

    def learn(self, rows: Rows) -> None:
        """From a partition that is ours, the messages that wait for their time; `see` tells the rest."""
        agenda = self.agenda(rows.partition)
        for phone, request_id, at_s in rows.scheduled():
            agenda.schedule(phone, request_id, at_s)

    def stir(self) -> None:
        """Something changed: look again now."""
        self._stirred.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._stirred.clear()
            await self._outlet.put(self._wakes())
            await self._until_next()

    def _wakes(self) -> list[Outgoing]:
        now_s = self._now_s()
        able = self._accounts.able(now_s)
        return [
            wake(self._topic, partition, event)
            for partition, agenda in self._agendas.items()
            for event in (*agenda.pop_due_events(now_s), *agenda.wake_phones(able))
        ]

    async def _until_next(self) -> None:
        now_s = self._now_s()
        next_s = min(self._next_s(), self._accounts.next_s(now_s))
        wait_s = min(max(next_s - now_s, 0.0), _LOOK_AT_LEAST_EVERY_S)
        try:
            await asyncio.wait_for(self._stirred.wait(), wait_s)
        except TimeoutError:
            return

    def _next_s(self) -> float:
        return min((agenda.next_timer_at_s() for agenda in self._agendas.values()), default=float("inf"))

    # -- what probes and metrics ask

    def waiting(self) -> int:
        """Phones that wait for a time or a turn."""
        return sum(len(agenda) for agenda in self._agendas.values())

    def outstanding(self) -> int:
        """Releases that are with senders."""
        return sum(agenda.in_flight_count for agenda in self._agendas.values())

    def overdue_s(self) -> float:
        """By how much the phone that should have been woken first is late; 0 if none is."""
        return max(0.0, self._now_s() - self._next_s())


def wake(topic: str, partition: int, event: Event) -> Outgoing:
    """An event for a phone of this very partition."""
    key = event.phone.encode()
    return Outgoing(topic=topic, key=key, value=events.encode(event), partition=partition)
