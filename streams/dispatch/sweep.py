"""The sweep: finds what may be forgotten, and names it in the phone log. It removes nothing itself.

It walks the rows a slice at a time, so that no walk holds up the event loop for long, and memory does
not grow with the number of messages. The predicates are the core's own (domain/phone/handlers/retention.py), and
`step` checks them again: what a `RetentionElapsed` names and is needed after all stays.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.dispatch.timer_service import make_event_record
from streams.domain.phone.events import RetentionElapsed
from streams.domain.phone.handlers import remainders, retention
from streams.domain.policy import Policy
from streams.runtime.table import PartitionRevoked

BATCH_SIZE: Final = 2000  # rows of one slice: a few milliseconds
INTERVAL_S: Final = 30.0


class Sweep:
    """Walks the partitions that this process owns, again and again."""

    def __init__(
        self,
        owned_stores: Callable[[], list[PhoneStore]],
        publisher: Publisher,
        topic: str,
        policy: Policy,
        now_s: Callable[[], float],
    ) -> None:
        self._owned_stores = owned_stores
        self._publisher = publisher
        self._topic = topic
        self._policy = policy
        self._now_s = now_s
        self._cursors: defaultdict[tuple[int, str], bytes] = defaultdict(bytes)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.run_once()

    async def run_once(self) -> int:
        """Examine the next slice of each partition; returns how many events were published."""
        published_count = 0
        for store in self._owned_stores():
            try:
                records = list(self._collect_expired(store))
            except PartitionRevoked:
                continue  # revoked since `owned_stores` was called
            await self._publisher.publish(records)
            published_count += len(records)
        return published_count

    def _collect_expired(self, store: PhoneStore) -> Iterator[OutgoingRecord]:
        expired_ids: defaultdict[str, list[str]] = defaultdict(list)
        for phone in self._scan_idle_phones(store):
            expired_ids[phone] = []
        for phone, request_id in self._scan_expired_messages(store):
            expired_ids[phone].append(request_id)
        for phone, ids in expired_ids.items():
            yield make_event_record(
                self._topic, store.partition, RetentionElapsed(phone=phone, ids=tuple(ids))
            )

    def _scan_expired_messages(self, store: PhoneStore) -> Iterator[tuple[str, str]]:
        cursor = (store.partition, "messages")
        messages, self._cursors[cursor] = store.scan_messages(self._cursors[cursor], BATCH_SIZE)
        now_s = self._now_s()
        for phone, message in messages:
            if retention.is_expired(message, now_s, self._policy):
                yield phone, message.id

    def _scan_idle_phones(self, store: PhoneStore) -> Iterator[str]:
        cursor = (store.partition, "phones")
        phones, self._cursors[cursor] = store.scan_phones(self._cursors[cursor], BATCH_SIZE)
        now_s = self._now_s()
        for row in phones:
            is_idle = retention.is_idle(row, now_s, self._policy)
            is_idle = is_idle or remainders.has_expired(row, now_s)
            if is_idle or retention.has_ended_conversation(row, now_s, self._policy):
                yield row.phone
