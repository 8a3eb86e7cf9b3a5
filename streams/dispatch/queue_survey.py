"""Counts the messages that wait, by priority and reason, and finds the oldest: for metrics and probes.

It reads the rows of the recipients that wait, a slice at a time, and at most a twentieth of the time. It
changes nothing, and nothing may be decided by what it counts.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.dispatch.phone_store import PhoneStore
from streams.domain.phone import waiting
from streams.domain.phone.state import Message, Phone
from streams.runtime.table import PartitionRevoked

INTERVAL_S: Final = 10.0
_MAX_LOAD: Final = 0.05
_SLICE: Final = 200  # recipients: a few milliseconds
# The priority of a message that has not joined its queue yet is not in its recipient's row.
_NO_PRIORITY: Final = "any"

Count = Counter[tuple[str, str]]  # by priority and reason


class QueueSurvey(Collector):
    """The result of the last walk, which is what a scrape returns."""

    def __init__(
        self,
        registry: CollectorRegistry,
        waiting_phones: Callable[[], Iterable[tuple[PhoneStore, str]]],
        now_s: Callable[[], float],
    ) -> None:
        """`waiting_phones`: every recipient that waits or has a message in flight, with its rows."""
        self._waiting_phones = waiting_phones
        self._now_s = now_s
        self._counts: Count = Counter()
        self._oldest_s = 0.0
        registry.register(self)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            started_s = time.monotonic()
            await self.run_once()
            elapsed_s = time.monotonic() - started_s
            await asyncio.sleep(max(INTERVAL_S, elapsed_s / _MAX_LOAD))

    async def run_once(self) -> None:
        """Walk over everything that waits now."""
        counts: Count = Counter()
        oldest_s = 0.0
        for number, (store, phone) in enumerate(list(self._waiting_phones())):
            # Revoked meanwhile, or a row that cannot be read: the phone stage says so.
            with contextlib.suppress(PartitionRevoked, msgspec.DecodeError):
                row = store.get_phone(phone)
                if row is not None:
                    oldest_s = _earlier(oldest_s, _count_phone(store, row, counts))
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        self._counts, self._oldest_s = counts, oldest_s

    @property
    def total(self) -> int:
        """All messages that wait, without those that senders have."""
        return sum(self._counts.values())

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry needs no sample to know the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics, as of the last walk."""
        counts = GaugeMetricFamily(
            "wa_messages_waiting",
            "Messages that wait, by priority and by what holds up their queue",
            labels=["priority", "reason"],
        )
        for (priority, reason), count in sorted(self._counts.items()):
            counts.add_metric([priority, reason], count)
        age_s = max(0.0, self._now_s() - self._oldest_s) if self._oldest_s else 0.0
        yield counts
        yield GaugeMetricFamily(
            "wa_oldest_waiting_seconds",
            "Age of the oldest message that could be sent and is not: since it was accepted",
            value=age_s,
        )


def _count_phone(store: PhoneStore, row: Phone, counts: Count) -> float:
    """Add the messages of one recipient. Returns when its oldest was accepted; 0: none waits."""
    counts[_NO_PRIORITY, "scheduled"] += row.scheduled_count
    oldest_s = 0.0
    for head, count in _iter_heads(store, row):
        is_in_flight = row.in_flight is not None and row.in_flight.id == head.id
        reason = waiting.IN_TURN if is_in_flight else waiting.explain(row, head).reason
        counts[head.priority, reason] += count - is_in_flight
        if reason == "quiet_hours":
            continue  # it could not be sent now
        oldest_s = _earlier(oldest_s, head.accepted_at_s)
    return oldest_s


def _iter_heads(store: PhoneStore, row: Phone) -> Iterator[tuple[Message, int]]:
    """The first message of each queue with the length of the queue, and each message that stands alone."""
    for name, queue in row.queues.items():
        slots = (store.get_slot(row.phone, name, seq) for seq in range(queue.head, queue.tail))
        # A slot may be empty, because its message has left early.
        request_id = next((request_id for request_id in slots if request_id is not None), None)
        head = request_id and store.get_message(row.phone, request_id)
        if head:
            yield head, queue.count
    for parked in row.parked:
        message = store.get_message(row.phone, parked.id)
        if message is not None:
            yield message, 1


def _earlier(one_s: float, other_s: float) -> float:
    """The earlier of two times, of which 0 is none."""
    return min(filter(None, (one_s, other_s)), default=0.0)
