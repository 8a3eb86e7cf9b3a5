"""aiokafka's answers, told which stretch of the log they stand for.

aiokafka gives records and moves on; that there was nothing between two of them (control records of
transactions, aborted records, compacted ones) it knows and does not say. Without it a gap between two
records cannot be told from records that were lost on the way. Only facts about the log are noted here.

When `getall` takes something, the position asked from equals `next_fetch_offset` (else it returns
nothing), so what it takes stands for exactly one stretch `[start, next_fetch_offset)`.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import fetcher as ak_fetcher

from streams.runtime.consumer.offsets import Stretch

_EMPTY = "known_empty"  # an attribute of aiokafka's state of a partition


class Answer(list[ConsumerRecord[bytes, bytes]]):
    """Records, and the offset from which on they are all there was to read."""

    start: int = -1


class FetchResult(ak_fetcher.FetchResult):
    """Takes the place of aiokafka's class of that name (safe_install.py)."""

    def getall(self, max_records: int | None = None) -> Answer:
        """The records that are there; they and their stretch."""
        part: Any = self._partition_records
        start: int = part.next_fetch_offset if part is not None else -1
        answer = Answer(super().getall(max_records))
        if part is None or part.next_fetch_offset == start:
            return answer  # nothing was taken
        state = self._assignment.state_value(self._topic_partition)
        answer.start = _joined(getattr(state, _EMPTY, None), start)
        empty = answer[-1].offset + 1 if answer else answer.start
        setattr(state, _EMPTY, (empty, part.next_fetch_offset))
        return answer


def _joined(before: Stretch | None, start: int) -> int:
    """Where the stretch begins, together with an empty one right before it."""
    return before[0] if before is not None and before[1] == start else start


def known_empty(consumer: AIOKafkaConsumer, partition: tuple[str, int]) -> Stretch | None:
    """The last stretch that was read to its end and held nothing; from any thread."""
    subscription: Any = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return None
    return getattr(subscription.assignment.state_value(partition), _EMPTY, None)
