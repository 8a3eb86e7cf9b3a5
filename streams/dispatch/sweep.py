"""The sweep: finds what may be forgotten and says so in the phone's log. Removes nothing itself.

It walks the rows a slice at a time, so that no walk holds up the loop for long and memory does not
grow with the number of messages. What `Aged` names and is still needed stays: `step` decides.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator

from streams.dispatch.clock import wake
from streams.dispatch.outlet import Outgoing, Outlet
from streams.dispatch.rows import Rows
from streams.domain.phone.events import RetentionElapsed
from streams.domain.phone.state import OPEN_STATES
from streams.domain.policy import Policy
from streams.runtime.table import PartitionRevoked

SLICE = 2000  # rows looked at in one go: a few milliseconds
EVERY_S = 30.0


class Sweep:
    """Walks the partitions that this process owns, round and round."""

    def __init__(
        self,
        owned: Callable[[], list[Rows]],
        outlet: Outlet,
        topic: str,
        rules: Policy,
        now_s: Callable[[], float],
    ) -> None:
        self._owned = owned
        self._outlet = outlet
        self._topic = topic
        self._rules = rules
        self._now_s = now_s
        self._after: defaultdict[tuple[int, str], bytes] = defaultdict(bytes)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.once()

    async def once(self) -> int:
        """Look at the next slice of each partition; returns how many events were sent."""
        sent = 0
        for rows in self._owned():
            try:
                records = list(self._aged(rows))
            except PartitionRevoked:
                continue  # given back since `owned` was asked
            await self._outlet.put(records)
            sent += len(records)
        return sent

    def _aged(self, rows: Rows) -> Iterator[Outgoing]:
        old: defaultdict[str, list[str]] = defaultdict(list)
        for phone in self._idle_phones(rows):
            old[phone] = []
        for phone, request_id in self._old_messages(rows):
            old[phone].append(request_id)
        for phone, ids in old.items():
            yield wake(self._topic, rows.partition, RetentionElapsed(phone=phone, ids=tuple(ids)))

    def _old_messages(self, rows: Rows) -> Iterator[tuple[str, str]]:
        place = (rows.partition, "messages")
        found, self._after[place] = rows.some_messages(self._after[place], SLICE)
        settled_before_s = self._now_s() - self._rules.idempotency_window_s
        for phone, message in found:
            if message.state not in OPEN_STATES and message.completed_at_s <= settled_before_s:
                yield phone, message.id

    def _idle_phones(self, rows: Rows) -> Iterator[str]:
        place = (rows.partition, "phones")
        found, self._after[place] = rows.some_phones(self._after[place], SLICE)
        now_s = self._now_s()
        for row in found:
            remembered = row.chat is not None and row.chat.valid_until_s > now_s
            idle = row.last_active_s + self._rules.conversation_expiry_s <= now_s
            if idle and not (row.in_flight or row.waiting_count or remembered):
                yield row.phone
